//! What is tracked: scripts, processes, files, BFD sessions, and the `track_*` lines that name them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::checkers::CheckDraft;
use super::{Lower, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{
    BfdInstance, Command, InitFile, ParameterMatch, TrackFile, TrackProcess, TrackScript, TrackWeight,
    Tracked, Tracking,
};
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// The names that `track_*` lines may use, with the places of their blocks.
#[derive(Default)]
pub(super) struct Names {
    pub(super) scripts: BTreeMap<String, Span>,
    pub(super) processes: BTreeMap<String, Span>,
    pub(super) files: BTreeMap<String, Span>,
    pub(super) bfd: BTreeMap<String, Span>,
    pub(super) track_groups: BTreeMap<String, Span>,
    /// `check NAME` blocks.
    pub(super) checks: BTreeMap<String, Span>,
    /// Those of them that are right.
    pub(super) defined: BTreeMap<String, CheckDraft>,
    /// The BFD sessions that do not tell VRRP, or the checkers: `checker` alone, or `vrrp` alone.
    pub(super) untold: BTreeSet<(Listener, String)>,
    /// Those of them whose own weight is in `reverse`, by the word of their block.
    pub(super) reversed: BTreeSet<(&'static str, String)>,
}

/// Whom a BFD session tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Listener {
    Vrrp,
    Checker,
}

impl Listener {
    /// Its word in `bfd_instance`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Vrrp => "vrrp",
            Self::Checker => "checker",
        }
    }
}

/// Changes of a priority are at most this.
const WEIGHT: i64 = 254;

impl Lower<'_> {
    /// `NAME` in front of the block.
    pub(super) fn block_name(&mut self, node: &Node<'_>) -> Option<String> {
        self.one(node).map(|word| word.text.to_string())
    }

    pub(super) fn track_script(&mut self, node: &Node<'_>) -> Option<TrackScript> {
        let name = self.block_name(node)?;
        let mut script = None;
        let mut user = None;
        let (mut interval, mut timeout) = (TrackScript::INTERVAL, None);
        let mut result = TrackScript {
            name,
            command: Command::default(),
            interval,
            timeout: interval,
            weight: TrackWeight::default(),
            rise: TrackScript::RISE,
            fall: TrackScript::FALL,
            init_fail: false,
        };
        let mut damaged = false;
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "script" => {
                    script = lower.bare_command(node);
                    damaged |= script.is_none();
                }
                "interval" => interval = lower.at_least_a_second(node).unwrap_or(interval),
                "timeout" => timeout = lower.at_least_a_second(node),
                "weight" => result.weight = lower.weight(node).unwrap_or_default(),
                "rise" => result.rise = lower.whole_as(node).unwrap_or(TrackScript::RISE),
                "fall" => result.fall = lower.whole_as(node).unwrap_or(TrackScript::FALL),
                "user" => user = lower.account(node),
                _ => result.init_fail = lower.flag(node),
            });
            if script.is_none() && !damaged {
                lower.required(node, "the script has no command", "add `script \"COMMAND\"`");
            }
        });
        result.command = Command { account: user, ..script? };
        Some(TrackScript { interval, timeout: timeout.unwrap_or(interval), ..result })
    }

    /// keepalived makes a second of 0.
    fn at_least_a_second(&mut self, node: &Node<'_>) -> Option<Duration> {
        let time = self.time(node)?;
        if time.is_zero() {
            self.adjusted(node.span(), "0 is no time to wait", "1 second is used");
            return Some(Duration::from_secs(1));
        }
        Some(time)
    }

    pub(super) fn track_process(&mut self, node: &Node<'_>) -> Option<TrackProcess> {
        const MATCHES: [(&str, ParameterMatch); 2] =
            [("initial", ParameterMatch::Initial), ("partial", ParameterMatch::Partial)];
        let name = self.block_name(node)?;
        let mut result = TrackProcess::new(&name, Vec::new());
        let (mut quorum, mut most, mut place) = (None, None, None);
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "process" => {
                    place = place.or(node.span());
                    let command = lower.script_words(node);
                    if !result.command.is_empty() && !command.is_empty() {
                        // Reports which one counts.
                        lower.first(node, &mut Some(()), None);
                        return;
                    }
                    result.command = command;
                    if result.command.is_empty() {
                        lower.missing(node);
                    } else if result.command.len() > 1 {
                        result.full_command = true;
                        result.parameters = result.parameters.or(Some(ParameterMatch::Exact));
                    }
                }
                "param_match" => {
                    result.parameters = match lower.optional(node) {
                        None => Some(ParameterMatch::Exact),
                        Some(word) => lower.choice(word, &MATCHES),
                    };
                }
                "weight" => result.weight = lower.weight(node).unwrap_or_default(),
                "quorum" => quorum = lower.whole_as::<u16>(node).zip(node.span()),
                "quorum_max" => most = lower.whole_as::<u16>(node),
                "delay" => {
                    let delay = lower.time(node).unwrap_or_default();
                    (result.terminate_delay, result.fork_delay) = (delay, delay);
                }
                "terminate_delay" => result.terminate_delay = lower.time(node).unwrap_or_default(),
                "fork_delay" => result.fork_delay = lower.time(node).unwrap_or_default(),
                _ => result.full_command = lower.flag(node),
            });
            if let (Some((quorum, span)), Some(most)) = (quorum, most)
                && quorum > most
            {
                let message = format!("quorum {quorum} is more than quorum_max {most}");
                lower.report(Diagnostic::error(Code::Conflict, span, message));
            }
            if result.command.is_empty() {
                lower.required(node, "no process is named", "add `process NAME`");
            }
            lower.unmatched(&result, place);
        });
        result.quorum = match (quorum, most) {
            (Some((quorum, _)), _) => quorum,
            (None, Some(0)) => 0,
            (None, _) => TrackProcess::QUORUM,
        };
        result.quorum_max = most;
        Some(result)
    }

    /// As in keepalived it is compared with the name that the kernel keeps of a process.
    fn unmatched(&mut self, process: &TrackProcess, place: Option<Span>) {
        let Some(name) = process.command.first() else { return };
        if process.full_command || process.parameters.is_some() {
            return;
        }
        let found = if name.contains('/') {
            format!("{name} is a path, and the name of a process has none")
        } else if name.len() > TrackProcess::LONGEST_NAME {
            format!("{name} is longer than the {} bytes that the kernel keeps", TrackProcess::LONGEST_NAME)
        } else {
            return;
        };
        let consequence =
            "no process matches, as in keepalived: add `full_command`, or write the name as in `ps -o comm`";
        self.adjusted(place, found, consequence);
    }

    pub(super) fn track_file(&mut self, node: &Node<'_>) -> Option<TrackFile> {
        let name = self.block_name(node)?;
        let mut path = None;
        let mut result = TrackFile { name, path: String::new(), weight: TrackFile::WEIGHT, init: None };
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "file" => {
                    let text = lower.text(node);
                    lower.first(node, &mut path, text);
                }
                "weight" => {
                    let weight = lower.weight(node);
                    result.weight = weight.unwrap_or(result.weight);
                }
                _ => result.init = lower.init_file(node),
            });
            if path.is_none() {
                lower.required(node, "no file is named", "add `file \"PATH\"`");
            }
        });
        let path = path?;
        // Written over at each start; without `overwrite` only what is not there is written.
        if result.init.is_some_and(|init| init.overwrite)
            && let Some(span) = node.span()
            && !self.is_no_source(span, &path)
        {
            return None;
        }
        Some(TrackFile { path, ..result })
    }

    fn init_file(&mut self, node: &Node<'_>) -> Option<InitFile> {
        let (mut number, mut overwrite) = (0, false);
        for word in arguments(node) {
            match word.text {
                "overwrite" => overwrite = true,
                _ => {
                    let low = i64::from(i32::MIN);
                    let found = self.integer_in(node.keyword, word, low, i32::MAX.into())?;
                    number = i32::try_from(found).ok()?;
                    if found.abs() > WEIGHT {
                        self.adjusted(
                            Some(word.span),
                            format!("{found} is more than a priority can change by"),
                            "it is written as it stands",
                        );
                    }
                }
            }
        }
        Some(InitFile { number, overwrite })
    }

    /// `before`: the sessions above.
    pub(super) fn bfd_instance(
        &mut self,
        node: &Node<'_>,
        names: &BTreeMap<String, Span>,
        before: &[BfdInstance],
    ) -> Option<BfdInstance> {
        let name = self.block_name(node)?;
        if let Some((first, word)) = names.get(&name).zip(arguments(node).first())
            && *first != word.span
        {
            self.twice("BFD session", &name, word.span, *first);
        }
        if name.len() > 31
            && let Some(span) = node.span()
        {
            let message = format!("`{name}` has {} characters", name.len());
            self.report(Diagnostic::error(Code::BadName, span, message).expected("at most 31 characters"));
        }
        let (mut neighbour, mut has_neighbour, mut source, mut ttl) = (None, false, None, None);
        let mut hops = None;
        let unsaid = IpAddr::from([0, 0, 0, 0]);
        let mut result = BfdInstance { vrrp: false, checker: false, ..BfdInstance::new(&name, unsaid) };
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "neighbor_ip" | "neighbour_ip" => {
                    has_neighbour = true;
                    neighbour = lower.address(node);
                }
                "source_ip" => source = lower.address(node).zip(node.span()),
                "min_rx" => result.min_rx = lower.milliseconds(node).unwrap_or(result.min_rx),
                "min_tx" => result.min_tx = lower.milliseconds(node).unwrap_or(result.min_tx),
                "idle_tx" => result.idle_tx = lower.milliseconds(node).unwrap_or(result.idle_tx),
                "multiplier" => result.multiplier = lower.whole_as(node).unwrap_or(result.multiplier),
                "passive" => result.passive = lower.flag(node),
                "ttl" | "hoplimit" => ttl = lower.whole_as(node),
                "max_hops" => {
                    hops = node.span();
                    result.max_hops = lower.whole_as(node).unwrap_or(0);
                }
                "multihop" => result.multihop = lower.boolean(node).unwrap_or(false),
                "weight" => result.weight = lower.weight(node).unwrap_or_default(),
                "vrrp" => result.vrrp = lower.flag(node),
                _ => result.checker = lower.flag(node),
            });
            if !has_neighbour {
                lower.required(node, "the session has no neighbour", "add `neighbor_ip ADDRESS`");
            }
        });
        let neighbour: IpAddr = neighbour?;
        if let Some((source, span)) = source
            && source.is_ipv6() != neighbour.is_ipv6()
        {
            let message = format!("{source} and {neighbour} are of different address families");
            self.report(Diagnostic::error(Code::BadAddress, span, message));
        }
        let neither = !result.vrrp && !result.checker;
        result.vrrp |= neither;
        result.checker |= neither;
        let ttl = ttl.unwrap_or(BfdInstance::default_ttl(neighbour));
        let source = source.map(|(source, _)| source);
        if result.max_hops > i16::from(ttl) {
            let message = format!("`max_hops` is {}, and packets have a TTL of {ttl}", result.max_hops);
            self.adjusted(hops, message, format!("{ttl} is used"));
            result.max_hops = ttl.into();
        }
        let result = BfdInstance { neighbour, ttl, source, ..result };
        self.told_apart(node, &result, before);
        Some(result)
    }

    /// Two sessions with one neighbour need two sources: a packet that knows neither of them is for one.
    fn told_apart(&mut self, node: &Node<'_>, session: &BfdInstance, before: &[BfdInstance]) {
        let same = |other: &&BfdInstance| {
            let apart = other.source.is_some() && session.source.is_some() && other.source != session.source;
            other.neighbour == session.neighbour && other.multihop == session.multihop && !apart
        };
        if let Some((other, span)) = before.iter().find(same).zip(node.span()) {
            let (name, neighbour) = (&other.name, session.neighbour);
            let message = format!("`bfd_instance {name}` has the neighbour {neighbour}, too");
            self.report(
                Diagnostic::error(Code::Duplicate, span, message)
                    .consequence("keepalived skips the second")
                    .help("give each of them a `source_ip` of its own, or track the first by its name"),
            );
        }
    }

    /// A number of milliseconds with decimals; the table gives its range.
    fn milliseconds(&mut self, node: &Node<'_>) -> Option<Duration> {
        let time = self.time(node)?;
        Some(Duration::from_micros(u64::try_from(time.as_micros() / 1000).unwrap_or(u64::MAX)))
    }

    /// `weight NUMBER [reverse]`. One more than the most is taken, and lowered.
    pub(super) fn weight(&mut self, node: &Node<'_>) -> Option<TrackWeight> {
        let Some((number, rest)) = arguments(node).split_first() else {
            self.missing(node);
            return None;
        };
        let most = node.keyword.and_then(|row| row.bounds_of("")).map_or(WEIGHT, |(_, high)| high);
        let weight = self.weight_of(number, rest.first(), most, false);
        if let Some(surplus) = rest.get(1) {
            self.surplus(node, surplus);
        }
        weight
    }

    /// `inherited`: whether it is in reverse when nothing is said of that.
    fn weight_of(
        &mut self,
        number: &Word<'_>,
        reverse: Option<&Word<'_>>,
        most: i64,
        inherited: bool,
    ) -> Option<TrackWeight> {
        let reverse = match reverse.map(|word| (word.text, word)) {
            None => inherited,
            Some(("noreverse", _)) => false,
            Some(("reverse", _)) => true,
            Some((_, word)) => self.choice(word, &[("reverse", true), ("noreverse", false)])?,
        };
        let found = self.integer_in(None, number, -WEIGHT, WEIGHT)?;
        if found.abs() > most {
            self.adjusted(
                Some(number.span),
                format!("a weight of {found} is out of range"),
                format!("{} is used", found.clamp(-most, most)),
            );
        }
        let number = i16::try_from(found.clamp(-most, most)).ok()?;
        Some(TrackWeight { number, reverse })
    }

    /// `track_*` blocks. False: the word is none of them.
    pub(super) fn tracking(
        &mut self,
        word: &str,
        node: &Node<'_>,
        tracking: &mut Tracking,
        names: &Names,
    ) -> bool {
        let (list, known, what) = match word {
            "track_interface" => {
                self.track_interfaces(node, tracking);
                return true;
            }
            "track_script" => (&mut tracking.scripts, &names.scripts, "vrrp_script"),
            "track_file" => (&mut tracking.files, &names.files, "track_file"),
            "track_process" => (&mut tracking.processes, &names.processes, "vrrp_track_process"),
            "track_bfd" => (&mut tracking.bfd, &names.bfd, "bfd_instance"),
            _ => return false,
        };
        let most = if matches!(word, "track_script" | "track_bfd") { 253 } else { WEIGHT };
        let mut seen = std::mem::take(&mut self.seen);
        self.no_words(node);
        self.within(node, |lower| {
            for line in inside(node) {
                let Some((name, options)) = line.words.split_first() else { continue };
                let inherited = names.reversed.contains(&(what, name.text.to_string()));
                let weight = lower.track_options(options, most, inherited);
                if !known.contains_key(name.text) {
                    let message = format!("there is no `{what} {}`", name.text);
                    let mut diagnostic = Diagnostic::error(Code::Undefined, name.span, message);
                    if let Some(near) = lower.near(name.text, known) {
                        diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near);
                    }
                    lower.report(diagnostic.consequence("nothing would be tracked"));
                    continue;
                }
                if word == "track_bfd" && lower.untold(Listener::Vrrp, name.text, name.span, names) {
                    continue;
                }
                let defined = known.get(name.text).map(|span| lower.sources.written(*span));
                let used = lower.sources.written(name.span);
                if defined.is_some_and(|span| span.source == used.source && span.start > used.start) {
                    lower.portable(
                        name.span,
                        "it is defined further down",
                        "keepalived tracks only what is defined above, and drops this line",
                    );
                }
                if seen.insert((what, name.text.to_string())) {
                    list.push(Tracked { name: name.text.to_string(), weight });
                } else {
                    lower.tracked_twice(name);
                }
            }
        });
        self.seen = seen;
        true
    }

    /// A session that tells others only is unknown to this one, in keepalived as well. True: that is reported.
    pub(super) fn untold(&mut self, who: Listener, name: &str, span: Span, names: &Names) -> bool {
        let untold = names.untold.contains(&(who, name.to_owned()));
        if untold {
            let (listener, what) = match who {
                Listener::Vrrp => ("VRRP", "nothing would be tracked"),
                Listener::Checker => ("the checkers", "the real server would not be checked"),
            };
            let message = format!("`bfd_instance {name}` does not tell {listener}");
            let word = who.word();
            self.report(Diagnostic::error(Code::Undefined, span, message).consequence(what).help(format!(
                "add `{word}` to that block, or leave `vrrp` and `checker` out: then it tells both"
            )));
        }
        untold
    }

    fn track_interfaces(&mut self, node: &Node<'_>, tracking: &mut Tracking) {
        let mut seen = std::mem::take(&mut self.seen);
        self.no_words(node);
        self.within(node, |lower| {
            for line in inside(node) {
                let Some((name, options)) = line.words.split_first() else { continue };
                let weight = lower.track_options(options, 253, false).unwrap_or_default();
                let Some(interface) = lower.interface(name) else { continue };
                if seen.insert(("track_interface", name.text.to_string())) {
                    tracking.interfaces.push((interface, weight));
                } else {
                    lower.tracked_twice(name);
                }
            }
        });
        self.seen = seen;
    }

    fn tracked_twice(&mut self, name: &Word<'_>) {
        let message = format!("`{}` is tracked twice", name.text);
        self.report(
            Diagnostic::warning(Code::Repeated, name.span, message)
                .consequence("the first one counts, as in keepalived"),
        );
    }

    /// `[weight NUMBER [reverse|noreverse]]`. `inherited`: whether what is tracked has its own weight in reverse.
    fn track_options(&mut self, options: &[Word<'_>], most: i64, inherited: bool) -> Option<TrackWeight> {
        match options {
            [] => None,
            [word, number, rest @ ..] if word.text == "weight" => {
                if let Some(surplus) = rest.get(1) {
                    self.not_an_option(surplus);
                }
                self.weight_of(number, rest.first(), most, inherited)
            }
            [word] if word.text == "weight" => {
                let message = "`weight` needs a number";
                self.report(Diagnostic::error(Code::MissingArgument, word.span, message));
                None
            }
            [word, ..] => {
                self.not_an_option(word);
                None
            }
        }
    }

    fn not_an_option(&mut self, word: &Word<'_>) {
        let message = format!("`{}` is no option of a tracked object", word.text);
        self.report(
            Diagnostic::error(Code::UnknownKeyword, word.span, message)
                .expected("`NAME [weight NUMBER [reverse]]`, one a line"),
        );
    }

    /// No word between a keyword and its `{`.
    pub(super) fn no_words(&mut self, node: &Node<'_>) {
        if let Some(surplus) = arguments(node).first() {
            self.surplus(node, surplus);
        }
    }
}
