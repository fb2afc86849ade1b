//! The pattern of a `url`: read, put together, compiled once to see whether it is one.

use super::{Lower, arguments};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::closest;
use crate::config::model::{RegexStack, UrlRegex};
use crate::config::source::Span;
use crate::config::split::split;
use crate::config::tree::{Node, Word};
use crate::sys::regex::{OPTIONS, Regex};

/// A pattern as the file has it.
#[derive(Default)]
pub(super) struct RegexDraft {
    regex: UrlRegex,
    /// The word of the pattern, and whether it stands there as it is, without escapes.
    place: Option<(Span, bool)>,
    /// The statement of this block that was read last.
    last: Option<Span>,
    /// That of the two offsets that was read last.
    offset: Option<Span>,
}

impl Lower<'_> {
    /// One `regex*` statement.
    pub(super) fn regex_setting(&mut self, word: &str, node: &Node<'_>, draft: &mut RegexDraft) {
        draft.last = node.span();
        if word.ends_with("_offset") {
            draft.offset = node.span();
        }
        let regex = &mut draft.regex;
        match word {
            "regex" => {
                let words = self.pattern_words(node);
                if let (Some(surplus), true) = (node.words.get(2), words.len() > 1) {
                    self.report(
                        Diagnostic::warning(
                            Code::SurplusArgument,
                            surplus.span,
                            "only the first word is the pattern",
                        )
                        .label("ignored, as keepalived does")
                        .help("put the pattern between double quotes"),
                    );
                }
                regex.pattern = words.into_iter().next();
                draft.place = arguments(node)
                    .first()
                    .map(|word| (word.span, regex.pattern.as_deref() == Some(word.text)));
                if regex.pattern.is_none() {
                    self.missing(node);
                }
            }
            "regex_no_match" => regex.no_match = self.flag(node),
            "regex_options" => {
                if arguments(node).is_empty() {
                    self.missing(node);
                }
                for word in arguments(node) {
                    regex.options.extend(self.regex_option(word));
                }
            }
            "regex_min_offset" => regex.min_offset = self.whole_as(node).unwrap_or(0),
            "regex_max_offset" => regex.max_offset = self.whole_as(node),
            _ => regex.stack = self.regex_stack(node),
        }
    }

    /// The words behind `regex`, taken out of their quotes and decoded.
    pub(super) fn pattern_words(&self, node: &Node<'_>) -> Vec<String> {
        // Strings of JSON have neither quotes nor escapes.
        if self.sources.is_json() {
            return self.script_words(node);
        }
        split(&self.raw(arguments(node)), true)
    }

    fn regex_option(&mut self, word: &Word<'_>) -> Option<String> {
        if let Some((name, _)) = OPTIONS.iter().find(|(name, _)| *name == word.text) {
            return Some((*name).to_owned());
        }
        let message = format!("`{}` is no option of a pattern", word.text);
        let diagnostic = Diagnostic::warning(Code::BadChoice, word.span, message)
            .label("ignored, as keepalived does")
            .expected("names of PCRE2's options in lower case, such as `caseless` or `multiline`");
        let near = closest(&word.text.to_lowercase(), OPTIONS.iter().map(|(name, _)| *name));
        self.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(word.span, near),
            None => diagnostic,
        });
        None
    }

    fn regex_stack(&mut self, node: &Node<'_>) -> Option<RegexStack> {
        let [start, most, rest @ ..] = arguments(node) else {
            self.missing(node);
            return None;
        };
        if let Some(surplus) = rest.first() {
            self.surplus(node, surplus);
        }
        let number = |lower: &mut Self, word| lower.number_in(node.keyword, word, 1, u32::MAX.into());
        let found = number(self, start).zip(number(self, most));
        if found.is_some_and(|(start, most)| start > most) {
            let message = "the first size is larger than the second";
            self.report(Diagnostic::error(Code::Conflict, start.span, message));
        }
        found.map(|(start, most)| RegexStack { start, most })
    }

    /// The whole of it, at the end of its block. `None`: nothing of it is set.
    pub(super) fn whole_regex(&mut self, draft: RegexDraft) -> Option<Box<UrlRegex>> {
        let RegexDraft { regex, place, last, offset } = draft;
        let most = regex.max_offset.filter(|most| *most < regex.min_offset);
        if let (Some(most), Some(offset)) = (most, offset) {
            let message = format!(
                "a match may begin at byte {most} at the latest, and not before {}",
                regex.min_offset
            );
            self.report(
                Diagnostic::error(Code::Conflict, offset, message)
                    .expected("`regex_min_offset` not larger than `regex_max_offset`")
                    .consequence("nothing could match; keepalived ignores both"),
            );
        }
        match (&regex.pattern, place) {
            (Some(pattern), Some((span, verbatim))) => self.compiles(pattern, &regex, span, verbatim),
            (None, _) if regex != UrlRegex::default() => {
                self.adjusted(last, "the settings of a pattern without `regex`", "the body is not searched");
            }
            _ => {}
        }
        (regex != UrlRegex::default()).then(|| Box::new(regex))
    }

    fn compiles(&mut self, pattern: &str, regex: &UrlRegex, span: Span, verbatim: bool) {
        let same = |last: &UrlRegex| last.pattern == regex.pattern && last.options == regex.options;
        // Thousands of real servers share one.
        if self.pattern.as_deref().is_some_and(same) {
            return;
        }
        match Regex::named(pattern, &regex.options, false) {
            Ok(_) => self.pattern = Some(Box::new(regex.clone())),
            Err(no_pattern) => {
                let at = no_pattern.offset;
                let span = match verbatim {
                    true => place(pattern, at, span),
                    false => span,
                };
                let shown = pattern.get(..at).unwrap_or(pattern).escape_debug().to_string();
                let behind = if at == 0 { "at its start".to_owned() } else { format!("behind `{shown}`") };
                self.report(
                    Diagnostic::error(
                        Code::BadPattern,
                        span,
                        format!("`regex` is no pattern: {}", no_pattern.why),
                    )
                    .label(behind)
                    .expected("a pattern of PCRE2; a backslash is written twice: `\\\\d+`")
                    .consequence("keepalived goes on without it, and 2.2.7 ends in a crash, again and again"),
                );
            }
        }
    }
}

/// The character at byte `at` of the pattern that stands at `span`; the last one for the end.
fn place(pattern: &str, at: usize, span: Span) -> Span {
    let found = pattern.char_indices().take_while(|(start, _)| *start <= at).last();
    let (start, length) = found.map_or((0, 0), |(start, c)| (start, c.len_utf8()));
    let offset = |at: usize| span.start.saturating_add(u32::try_from(at).unwrap_or(u32::MAX)).min(span.end);
    Span { start: offset(start), end: offset(start + length), ..span }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::model::{Model, ProbeKind, UrlRegex};
    use crate::config::source::Texts;
    use crate::config::{Loaded, Options, load};

    fn read(settings: &str) -> Loaded {
        let text = format!(
            "virtual_server 10.0.0.1 80 {{\nprotocol TCP\nlb_algo rr\nlb_kind DR\nreal_server 10.0.0.2 80 {{\nHTTP_GET {{\nurl {{\npath /\n\
             {settings}\n}}\n}}\n}}\n}}\n"
        );
        load(Path::new("t"), &Texts::one("t", &text), &Options::default())
    }

    fn regex(model: &Model) -> UrlRegex {
        let ProbeKind::Http(check) = &model.virtual_servers[0].real_servers[0].checkers[0].probe.kind else {
            panic!("{model:?}")
        };
        *check.urls[0].regex.clone().unwrap()
    }

    /// As keepalived 2.2.7 reads them.
    #[test]
    fn a_pattern_is_taken_out_of_its_quotes_and_escapes() {
        for (written, pattern) in [
            (r#"regex "hello\\s+world""#, r"hello\s+world"),
            (r#"regex "hello\s+world""#, "hellos+world"),
            ("regex 'hello world'", "hello world"),
            (r#"regex "l+\n""#, "l+\n"),
            (r#"regex "say \x22x\x22""#, "say \"x\""),
            ("regex hello", "hello"),
            (r#"regex """#, ""),
        ] {
            let loaded = read(written);
            assert_eq!(regex(&loaded.model.unwrap()).pattern.as_deref(), Some(pattern), "{written}");
        }
    }

    fn said(settings: &str) -> Vec<(bool, String)> {
        let error =
            |one: &crate::config::Diagnostic| one.severity == crate::config::diagnostic::Severity::Error;
        read(settings).diagnostics.iter().map(|one| (error(one), one.message.clone())).collect()
    }

    #[test]
    fn what_is_wrong_with_a_pattern_is_said() {
        for (settings, error, message) in [
            ("regex \"hel(lo\"", true, "`regex` is no pattern: missing closing parenthesis"),
            ("regex a(*)", true, "`regex` is no pattern: quantifier does not follow a repeatable item"),
            (
                "regex a\nregex_min_offset 9\nregex_max_offset 3",
                true,
                "a match may begin at byte 3 at the latest, and not before 9",
            ),
            ("regex a\nregex_options CASELESS", false, "`CASELESS` is no option of a pattern"),
            ("regex_no_match", false, "the settings of a pattern without `regex`"),
        ] {
            let said = said(settings);
            assert!(said.contains(&(error, message.to_owned())), "{settings}: {said:?}");
        }
        assert_eq!(said("regex \"a b\"\nregex_options caseless dotall\nregex_max_offset 9"), []);
    }

    #[test]
    fn offsets_in_the_wrong_order_are_shown_where_they_stand() {
        let loaded = read("regex a\nregex_min_offset 9\nregex_max_offset 3\nregex_options caseless");
        let span = loaded.diagnostics.iter().find_map(|one| one.span).unwrap();
        assert_eq!(span.end - span.start, "regex_max_offset 3".len() as u32);
    }
}
