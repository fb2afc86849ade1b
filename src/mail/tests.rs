//! The outbox with a virtual clock.

use super::alert::Cause;
use super::*;
use crate::notify::State;

/// An outbox, its clock, and a server.
struct Desk {
    outbox: Outbox,
    start: Instant,
    now: Instant,
    /// What the server makes of a letter; `None`: it does not answer.
    answer: Option<Outcome>,
    letters: Vec<Letter>,
    lines: Vec<String>,
}

const FINE: Outcome = Outcome::Sent { refused: Vec::new() };

fn failed() -> Outcome {
    Outcome::Failed("nobody there".to_owned())
}

fn settings() -> Settings {
    Settings { node: "lb1".to_owned(), sends: true, alerts: all() }
}

/// Everything is told.
fn all() -> Alerts {
    let mut globals = crate::config::model::Globals::default();
    globals.mail.alert = Some(true);
    Alerts::of(&globals, [], [], [])
}

fn instance(name: &str, state: State) -> Occasion {
    Occasion::Instance { name: name.to_owned(), state }
}

fn server(number: usize, up: bool) -> Occasion {
    Occasion::Server {
        service: "[10.0.0.9]:tcp:80".to_owned(),
        server: format!("[10.0.1.{number}]:tcp:80"),
        up,
        cause: Cause::Check { check: "TCP_CHECK".into(), session: None, decides: true },
    }
}

impl Desk {
    fn new() -> Self {
        let now = Instant::now();
        let mut desk = Self {
            outbox: Outbox::default(),
            start: now,
            now,
            answer: Some(FINE),
            letters: Vec::new(),
            lines: Vec::new(),
        };
        desk.feed(Input::Configure(settings()));
        desk
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            self.outbox.handle(self.now, input, &mut out);
            for action in out {
                match action {
                    Action::Send(letter) => {
                        self.letters.push(letter);
                        inputs.extend(self.answer.clone().map(Input::Tried));
                    }
                    Action::Report(event) => self.lines.push(event.to_string()),
                }
            }
        }
    }

    fn tell(&mut self, occasion: Occasion) {
        let stamp = format!("T+{}", (self.now - self.start).as_secs());
        self.feed(Input::Occurred { occasion, stamp });
    }

    /// Lets time pass, with every timer on the way.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, Timer::Send)) = self.outbox.next_timer().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            self.feed(Input::Timer);
        }
        self.now = end;
    }

    fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    fn subjects(&self) -> Vec<&str> {
        self.letters.iter().map(|letter| letter.subject.as_str()).collect()
    }
}

#[test]
fn one_event_is_mailed_as_keepalived_mails_it() {
    let mut desk = Desk::new();
    desk.tell(instance("VI_1", State::Master));
    assert!(desk.letters.is_empty(), "it waits for others");
    desk.pass(GATHER);
    let [letter] = desk.letters.as_slice() else { panic!("{:?}", desk.letters) };
    assert_eq!(letter.subject, "[lb1] VRRP Instance VI_1 - Entering MASTER state");
    assert_eq!(letter.body, "=> VRRP Instance is now owning VRRP VIPs <=\n");
    desk.seconds(10_000);
    assert_eq!(desk.letters.len(), 1);
    assert_eq!(desk.outbox.next_timer(), None);
}

#[test]
fn a_burst_is_one_mail_in_order() {
    let mut desk = Desk::new();
    desk.tell(instance("VI_1", State::Backup));
    desk.pass(GATHER / 2);
    desk.tell(server(1, false));
    desk.tell(server(2, false));
    desk.tell(server(1, true));
    desk.pass(GATHER / 2);
    let [letter] = desk.letters.as_slice() else { panic!("{:?}", desk.letters) };
    assert_eq!(letter.subject, "[lb1] 4 events: 1 VRRP instance, 2 real servers");
    let lines: Vec<&str> = letter.body.lines().collect();
    assert_eq!(
        lines[0],
        "T+0  VRRP Instance VI_1 - Entering BACKUP state  => VRRP Instance is no longer owning VRRP VIPs <="
    );
    assert!(lines[1].contains("10.0.1.1") && lines[1].contains("- DOWN"), "{}", lines[1]);
    assert!(lines[2].contains("10.0.1.2") && lines[3].contains("- UP"), "{lines:?}");
    assert_eq!(lines.len(), 4);
}

/// 10,000 flaps within ten seconds, within a quarter of an hour, and within a day.
#[test]
fn ten_thousand_flaps_make_a_handful_of_mails() {
    for (all, most) in [(10, 3), (900, 8), (86_400, 160)] {
        let mut desk = Desk::new();
        for flap in 0..10_000_usize {
            desk.tell(server(flap % 7, flap % 2 == 0));
            desk.pass(Duration::from_secs(all) / 10_000);
        }
        desk.seconds(3600);
        let letters = desk.letters.len();
        assert!((2..=most).contains(&letters), "{letters} mails in {all} s");
        assert_eq!(desk.outbox.snapshot().waiting, 0);
        let told: u64 = desk.letters.iter().map(events_told).sum();
        assert_eq!(told, 10_000, "each one is listed or counted");
        assert!(desk.letters.iter().all(|letter| letter.body.len() < 100 * 1024));
    }
}

/// Listed and counted ones.
fn events_told(letter: &Letter) -> u64 {
    let listed = letter.body.lines().filter(|line| line.contains("=>")).count() as u64;
    let counted = letter.body.lines().find(|line| line.contains("not listed"));
    listed + counted.map_or(0, |line| line.split(' ').next().unwrap().parse::<u64>().unwrap())
}

#[test]
fn the_pause_grows_while_there_is_more_and_is_short_again_after_a_calm() {
    let mut desk = Desk::new();
    let mut times = Vec::new();
    for _ in 0..100 {
        desk.tell(server(1, false));
        let before = desk.letters.len();
        desk.seconds(1);
        times.extend((desk.letters.len() > before).then(|| (desk.now - desk.start).as_secs()));
    }
    assert_eq!(times, [1, 11, 31, 71]);
    desk.seconds(1000);
    let before = desk.letters.len();
    desk.tell(server(1, true));
    desk.seconds(1);
    desk.tell(server(1, false));
    desk.seconds(10);
    assert_eq!(desk.letters.len(), before + 2);
}

#[test]
fn a_server_that_is_away_gets_it_later_and_the_log_has_two_lines() {
    let mut desk = Desk::new();
    desk.answer = Some(failed());
    desk.tell(instance("VI_1", State::Master));
    desk.seconds(3600);
    let tries = desk.letters.len();
    assert!((8..=12).contains(&tries), "{tries} tries in an hour");
    assert_eq!(desk.lines, ["mail alerts: nobody there; 1 event waits, tried again"]);
    desk.answer = Some(FINE);
    desk.tell(instance("VI_1", State::Backup));
    desk.seconds(600);
    assert_eq!(desk.letters.len(), tries + 1);
    let last = desk.letters.last().unwrap();
    assert!(last.subject.starts_with("[lb1] 2 events: 1 VRRP instance"), "{}", last.subject);
    assert_eq!(desk.lines[1], format!("mail alerts are sent again, after {tries} tries in vain"));
    assert_eq!(desk.lines.len(), 2);
}

#[test]
fn an_event_that_comes_late_says_when_it_was_and_is_not_kept_for_ever() {
    let mut desk = Desk::new();
    desk.answer = Some(failed());
    desk.tell(instance("VI_1", State::Master));
    desk.seconds(120);
    assert!(desk.letters.last().unwrap().body.ends_with("\nIt happened at T+0.\n"));
    desk.pass(KEEP);
    let tries = desk.letters.len();
    assert!(tries < 200, "{tries}");
    assert_eq!((desk.outbox.snapshot().waiting, desk.outbox.snapshot().dropped), (0, 1));
    assert_eq!(desk.outbox.next_timer(), None);
    desk.answer = Some(FINE);
    desk.tell(instance("VI_1", State::Backup));
    desk.seconds(600);
    let last = desk.letters.last().unwrap();
    assert!(last.body.contains("1 earlier event is not listed"), "{}", last.body);
}

#[test]
fn what_waits_is_bounded_also_while_a_letter_is_under_way() {
    let mut desk = Desk::new();
    desk.answer = None;
    for flap in 0..MOST {
        desk.tell(server(flap, false));
    }
    desk.seconds(1);
    assert!(desk.outbox.snapshot().sending);
    for flap in 0..MOST + 10 {
        desk.tell(server(flap, true));
    }
    assert_eq!(desk.outbox.snapshot().waiting, MOST);
    // It arrived: only those that came after it are left out.
    desk.answer = Some(FINE);
    desk.feed(Input::Tried(FINE));
    assert_eq!(desk.outbox.snapshot().dropped, 10);
    desk.seconds(60);
    assert!(desk.letters[1].body.contains("\n10 earlier events are not listed"));
    assert_eq!(desk.letters.iter().map(events_told).sum::<u64>(), (2 * MOST + 10) as u64);
    // It did not arrive: those that came before are left out too.
    desk.answer = None;
    for flap in 0..MOST {
        desk.tell(server(flap, false));
    }
    desk.seconds(60);
    desk.tell(server(0, true));
    desk.answer = Some(FINE);
    desk.feed(Input::Tried(failed()));
    desk.seconds(60);
    assert!(desk.letters.last().unwrap().body.contains("\n1 earlier event is not listed"));
}

#[test]
fn a_recipient_that_the_server_refuses_is_told_once() {
    let mut desk = Desk::new();
    let refused = vec![("no@x".to_owned(), "550 no".to_owned())];
    desk.answer = Some(Outcome::Sent { refused });
    for _ in 0..3 {
        desk.tell(server(1, false));
        desk.seconds(100);
    }
    assert_eq!(desk.lines, ["mail alerts: no mail for no@x: 550 no; the others get theirs"]);
    desk.answer = Some(FINE);
    desk.tell(server(1, false));
    desk.seconds(100);
    assert_eq!(desk.lines[1..], ["mail alerts: no@x gets mail again"]);
}

#[test]
fn a_reload_keeps_what_waits_and_asks_the_new_server_at_once() {
    let mut desk = Desk::new();
    desk.answer = Some(failed());
    desk.tell(instance("VI_1", State::Master));
    desk.seconds(1000);
    let tries = desk.letters.len();
    desk.answer = Some(FINE);
    desk.feed(Input::Configure(Settings { node: "lb2".to_owned(), ..settings() }));
    assert_eq!(desk.letters.len(), tries + 1);
    assert_eq!(*desk.subjects().last().unwrap(), "[lb2] VRRP Instance VI_1 - Entering MASTER state");
    // Without server or recipients nothing is kept, and the log says so.
    desk.tell(instance("VI_1", State::Backup));
    desk.feed(Input::Configure(Settings { sends: false, ..settings() }));
    assert!(desk.lines.last().unwrap().contains("1 events waited and are dropped"), "{:?}", desk.lines);
    desk.tell(instance("VI_1", State::Master));
    assert_eq!(desk.outbox.snapshot().waiting, 0);
    // So is a letter that was under way and fails.
    desk.feed(Input::Configure(settings()));
    desk.answer = None;
    desk.tell(instance("VI_1", State::Master));
    desk.seconds(700);
    assert!(desk.outbox.snapshot().sending);
    desk.feed(Input::Configure(Settings { sends: false, ..settings() }));
    desk.feed(Input::Tried(failed()));
    desk.feed(Input::Stop);
    assert!(desk.outbox.is_idle());
}

#[test]
fn a_stop_sends_what_waits_at_once_and_once() {
    let mut desk = Desk::new();
    desk.tell(instance("VI_1", State::Master));
    desk.seconds(1);
    desk.tell(instance("VI_1", State::Stop));
    assert_eq!(desk.letters.len(), 1, "the pause holds");
    desk.feed(Input::Stop);
    assert_eq!(desk.subjects()[1], "[lb1] VRRP Instance VI_1 - Stopping");
    assert!(desk.outbox.is_idle());
    // A server that is away is asked once; what is left is said.
    let mut desk = Desk::new();
    desk.answer = Some(failed());
    desk.tell(instance("VI_1", State::Stop));
    desk.feed(Input::Stop);
    assert_eq!(desk.letters.len(), 1);
    assert!(desk.outbox.is_idle() && desk.outbox.next_timer().is_none());
    assert!(desk.lines[1].contains("1 events could not be mailed"), "{:?}", desk.lines);
    // A letter that is under way is waited for; then comes the rest.
    let mut desk = Desk::new();
    desk.answer = None;
    desk.tell(instance("VI_1", State::Master));
    desk.seconds(1);
    desk.tell(instance("VI_1", State::Stop));
    desk.feed(Input::Stop);
    assert!(!desk.outbox.is_idle());
    desk.answer = Some(FINE);
    desk.feed(Input::Tried(FINE));
    assert_eq!(desk.letters.len(), 2);
    assert!(desk.outbox.is_idle());
}
