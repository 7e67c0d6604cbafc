//! `env_file`: `NAME=value` lines as systemd's `EnvironmentFile` reads them. Pure.
//!
//! Blank lines and lines that begin with `#` or `;` are nothing. A value may be bare (white space at
//! its end goes), in single quotes (as it stands) or in double quotes (a backslash escapes `"`, `\`,
//! `` ` `` and `$`); quoted values may span lines. Outside quotes, a backslash joins the next line
//! or takes the next character as it is. Nothing is expanded.

/// Why a file was refused. Nothing of the file appears in it: what looks like a name may be the second
/// line of a key without quotes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvFileError {
    /// A line without `=`.
    #[error("line {0} is not NAME=value; correct it, or put a value of several lines into quotes")]
    NotAnAssignment(usize),
    /// A name outside `[A-Za-z_][A-Za-z0-9_]*`.
    #[error(
        "what stands before the '=' of line {0} is not the name of a variable (letters, digits and \
         '_'); correct it, or put a value of several lines into quotes"
    )]
    BadName(usize),
    /// A quote that no other closes.
    #[error("the quote opened in line {0} is never closed; close it")]
    OpenQuote(usize),
    /// A value that no process can be given.
    #[error("the value that begins in line {0} holds a NUL byte; take it out")]
    Nul(usize),
}

/// The assignments in order; a later one of the same name is meant to win.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, EnvFileError> {
    let mut scan = Scan {
        rest: text,
        line: 1,
    };
    let mut found = Vec::new();
    while let Some(first) = scan.skip_to_text() {
        if matches!(first, '#' | ';') {
            scan.skip_line();
            continue;
        }
        let line = scan.line;
        let name = scan.name().ok_or(EnvFileError::NotAnAssignment(line))?;
        if !is_name(&name) {
            return Err(EnvFileError::BadName(line));
        }
        let value = scan.value()?;
        if value.contains('\0') {
            return Err(EnvFileError::Nul(line));
        }
        found.push((name, value));
    }
    Ok(found)
}

/// Whether a text may be the name of a variable in a file.
fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

struct Scan<'a> {
    rest: &'a str,
    line: usize,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn skip_to_text(&mut self) -> Option<char> {
        while let Some(c) = self.rest.chars().next() {
            if !c.is_whitespace() {
                return Some(c);
            }
            self.next();
        }
        None
    }

    fn skip_line(&mut self) {
        while let Some(c) = self.next() {
            if c == '\n' {
                return;
            }
        }
    }

    /// Everything before `=` on this line, or nothing when there is no `=`.
    fn name(&mut self) -> Option<String> {
        let line = self.rest.lines().next()?;
        let end = line.find('=')?;
        let name = line[..end].trim().to_owned();
        self.rest = &self.rest[end + 1..];
        Some(name)
    }

    fn value(&mut self) -> Result<String, EnvFileError> {
        let mut value = String::new();
        // White space at the end goes, unless it was quoted or escaped: up to here it stays.
        let mut keep = 0;
        while matches!(self.rest.chars().next(), Some(' ' | '\t')) {
            self.next();
        }
        while let Some(c) = self.next() {
            match c {
                '\n' => break,
                '\r' if self.rest.starts_with('\n') => {}
                '\'' | '"' => {
                    self.quoted(c, &mut value)?;
                    keep = value.len();
                }
                '\\' => {
                    match self.next() {
                        None | Some('\n') => {}
                        Some(c) => value.push(c),
                    }
                    keep = value.len();
                }
                c => value.push(c),
            }
        }
        let end = keep + value[keep..].trim_end().len();
        value.truncate(end);
        Ok(value)
    }

    fn quoted(&mut self, quote: char, value: &mut String) -> Result<(), EnvFileError> {
        let opened = self.line;
        loop {
            match self.next().ok_or(EnvFileError::OpenQuote(opened))? {
                c if c == quote => return Ok(()),
                '\\' if quote == '"' => match self.next() {
                    Some(c @ ('"' | '\\' | '`' | '$')) => value.push(c),
                    Some('\n') => {}
                    Some(c) => value.extend(['\\', c]),
                    None => return Err(EnvFileError::OpenQuote(opened)),
                },
                c => value.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        let mut all = parse(text).unwrap();
        assert_eq!(all.len(), 1, "{text:?}");
        assert_eq!(all[0].0, "A");
        all.remove(0).1
    }

    #[test]
    fn values_follow_systemd() {
        for (text, value) in [
            ("A=1", "1"),
            ("A=", ""),
            ("  A = b c  \n", "b c"),
            ("A=b # c", "b # c"),
            ("A='b \"c\" \\n '", "b \"c\" \\n "),
            ("A=\"b \\\"c\\\" \\$x \\n \"", "b \"c\" $x \\n "),
            ("A=\"two\nlines\"", "two\nlines"),
            ("A=one \\\ntwo", "one two"),
            ("A=x\"y z\"w", "xy zw"),
            ("A=a=b", "a=b"),
            ("A=$HOME", "$HOME"),
            ("A=win\r\n", "win"),
            ("A=b\\ ", "b "),
        ] {
            assert_eq!(one(text), value, "{text:?}");
        }
    }

    #[test]
    fn comments_and_blanks_are_nothing_and_order_stays() {
        let all = parse("# x=1\n\n; y=2\nB=1\n \nB=2\n").unwrap();
        assert_eq!(all, [("B".into(), "1".into()), ("B".into(), "2".into())]);
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(parse("A=1\nsecret"), Err(EnvFileError::NotAnAssignment(2)));
        assert_eq!(parse("A='x\ny\n"), Err(EnvFileError::OpenQuote(1)));
        assert_eq!(parse("export A=1"), Err(EnvFileError::BadName(1)));
        assert_eq!(parse("A=1\nB='\n\0'"), Err(EnvFileError::Nul(2)));
        assert!(parse("=1").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends(text in "\\PC*|[A-Z='\"\\\\\n #]*") {
            let _ = parse(&text);
        }
    }
}
