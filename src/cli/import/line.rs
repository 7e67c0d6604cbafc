//! One line of a crontab, as crontab(5) has it. Pure.

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Nothing.
    Blank,
    /// From its `#` on.
    Comment(&'a str),
    /// `NAME = value`, quotes taken off.
    Setting { name: &'a str, value: &'a str },
    /// When, and the rest.
    Job { when: When<'a>, rest: &'a str },
    /// Too few fields.
    Short,
}

/// The fields that say when.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum When<'a> {
    /// `@reboot`
    Reboot,
    /// Another nickname.
    Nickname(&'a str),
    /// Five fields.
    Fields([&'a str; 5]),
}

/// Reads a line.
pub(super) fn parse(line: &str) -> Line<'_> {
    let line = line.trim();
    if line.is_empty() {
        return Line::Blank;
    }
    if line.starts_with('#') {
        return Line::Comment(line);
    }
    if let Some((name, value)) = setting(line) {
        return Line::Setting { name, value };
    }
    if line.starts_with('@') {
        let (nickname, rest) = word(line);
        if rest.is_empty() {
            return Line::Short;
        }
        let when = if nickname.eq_ignore_ascii_case("@reboot") {
            When::Reboot
        } else {
            When::Nickname(nickname)
        };
        return Line::Job { when, rest };
    }
    let mut rest = line;
    let mut fields = [""; 5];
    for field in &mut fields {
        (*field, rest) = word(rest);
    }
    if rest.is_empty() {
        return Line::Short;
    }
    let when = When::Fields(fields);
    Line::Job { when, rest }
}

/// The first word and what comes behind it.
pub(super) fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = unquoted(name.trim());
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (begins && name.chars().all(plain)).then(|| (name, unquoted(value.trim())))
}

fn unquoted(text: &str) -> &str {
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

/// The command and what it is given to read: a `%` that no backslash stands before ends the command,
/// every further one is the end of a line.
pub(super) fn split_input(rest: &str) -> (String, Option<String>) {
    let mut parts = vec![String::new()];
    let mut characters = rest.chars().peekable();
    while let Some(character) = characters.next() {
        let Some(part) = parts.last_mut() else { break };
        match character {
            '\\' if characters.peek() == Some(&'%') => {
                part.push('%');
                characters.next();
            }
            '%' => parts.push(String::new()),
            other => part.push(other),
        }
    }
    let command = parts.remove(0);
    if parts.is_empty() {
        return (command, None);
    }
    let mut input = parts.join("\n");
    if !input.ends_with('\n') {
        input.push('\n');
    }
    (command, Some(input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(parse("  "), Line::Blank);
        assert_eq!(parse("  # a"), Line::Comment("# a"));
        let setting = |name, value| Line::Setting { name, value };
        assert_eq!(parse("A=b c "), setting("A", "b c"));
        assert_eq!(parse("A = \" b \""), setting("A", " b "));
        assert_eq!(parse("\"A\"='x'"), setting("A", "x"));
        assert_eq!(parse("MAILTO="), setting("MAILTO", ""));
        let job = parse("*/5 1-5 * jan  mon\ta=b c # d");
        let fields = ["*/5", "1-5", "*", "jan", "mon"];
        let when = When::Fields(fields);
        assert_eq!(
            job,
            Line::Job {
                when,
                rest: "a=b c # d"
            }
        );
        let when = When::Reboot;
        assert_eq!(parse("@Reboot a"), Line::Job { when, rest: "a" });
        assert_eq!(parse("@daily"), Line::Short);
        assert_eq!(parse("1 2 3 4 5"), Line::Short);
        assert_eq!(parse("1 2 3"), Line::Short);
    }

    #[test]
    fn percent_signs_begin_the_input() {
        let split = |rest| split_input(rest);
        assert_eq!(split("date +\\%F"), ("date +%F".to_owned(), None));
        let mail = ("mail joe".to_owned(), Some("Hi\n\nBye\n".to_owned()));
        assert_eq!(split("mail joe%Hi%%Bye"), mail);
        assert_eq!(split("a%b%"), ("a".to_owned(), Some("b\n".to_owned())));
        assert_eq!(split("a%"), ("a".to_owned(), Some("\n".to_owned())));
        assert_eq!(split("a\\b"), ("a\\b".to_owned(), None));
    }
}
