//! Patterns of job names, in which `*` stands for any characters.

/// Whether `name` matches `pattern`, in time proportional to the product of their lengths.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and what of the name it has eaten.
    let mut star = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, eaten)) = star {
            star = Some((at, eaten + 1));
            (p, n) = (at + 1, eaten + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name, expected) in [
            ("backup-*", "backup-home", true),
            ("backup-*", "backup-", true),
            ("backup-*", "backup", false),
            ("backup-*", "x-backup-home", false),
            ("*", "anything", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("*.db", "main.db", true),
            ("*.db", "main.db.old", false),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
            ("a**", "a", true),
            (".", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern:?} {name:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_a_regular_expression(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let regex = format!("^{}$", pattern.replace('*', ".*"));
            let expected = regex_lite::Regex::new(&regex).unwrap().is_match(&name);
            proptest::prop_assert_eq!(matches(&pattern, &name), expected);
        }
    }
}
