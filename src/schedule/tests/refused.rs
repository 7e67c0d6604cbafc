//! What is no cron expression, and what is said about it.

use super::{refusal, within_limit};

/// What is refused, and some of the words that say why.
const REFUSED: &[(&str, &str)] = &[
    ("", "is empty"),
    (" \t ", "is empty"),
    ("* * * *", "has 4 fields"),
    ("*", "has 1 field:"),
    ("* * * * * * * *", "has 8 fields"),
    (
        "1,,2 * * * *",
        "minute \"1,,2\": a comma stands between two values",
    ),
    (", * * * *", "minute \",\": a comma"),
    ("5, * * * *", "a comma"),
    ("60 * * * *", "minute \"60\": minute runs from 0 to 59"),
    ("0 24 * * *", "hour \"24\": hour runs from 0 to 23"),
    ("60 0 0 * * *", "second \"60\""),
    (
        "0 0 0 * *",
        "day-of-month \"0\": day-of-month runs from 1 to 31",
    ),
    ("0 0 * 13 *", "month \"13\""),
    ("0 0 * * 8", "day-of-week \"8\""),
    (
        "0 0 0 1 1 * 1969",
        "year \"1969\": year runs from 1970 to 9999",
    ),
    ("0 0 0 1 1 * 10000", "year \"10000\""),
    (
        "0/15 * * * *",
        "minute \"0/15\": a step stands behind * or a range, as in */15 or 0-59/15",
    ),
    ("/15 * * * *", "a step stands behind"),
    ("0 0 * * MON/2", "a step stands behind"),
    ("*/0 * * * *", "whole number from 1 up"),
    ("*/ * * * *", "whole number from 1 up"),
    ("*/-5 * * * *", "whole number from 1 up"),
    ("*/5/5 * * * *", "whole number from 1 up"),
    ("*/1.5 * * * *", "whole number from 1 up"),
    ("*/61 * * * *", "a step of 61 is larger than the field"),
    ("*/4294967296 * * * *", "whole number"),
    ("30-10 * * * *", "minute \"30-10\": a range runs upwards"),
    ("0 0 * * SAT-TUE", "a range runs upwards"),
    ("0 0 * * 5-0", "a range runs upwards"),
    ("0 0 * NOV-FEB *", "a list, as in NOV-12,1-FEB"),
    ("1-2-3 * * * *", "that is no value"),
    ("-5 * * * *", "a value is missing"),
    ("5- * * * *", "a value is missing"),
    ("*-5 * * * *", "that is no value"),
    ("** * * * *", "that is no value"),
    ("MON * * * *", "the name belongs into the day-of-week field"),
    (
        "0 0 * FRI *",
        "the name belongs into the day-of-week field; month takes 1 to 12",
    ),
    ("0 0 * * JAN", "the name belongs into the month field"),
    (
        "0 0 * JANFEB *",
        "month \"JANFEB\": that is no value; month takes 1 to 12 or JAN to DEC",
    ),
    ("0 0 * * MONDAY", "or SUN to SAT"),
    ("? * * * *", "? stands alone in day-of-month or day-of-week"),
    ("0 0 * ? *", "? stands alone"),
    ("0 0 ?,5 * *", "? stands alone"),
    ("L * * * *", "that is no value"),
    ("0 0 L-3 * *", "that is no value"),
    ("0 0 l * *", "that is no value"),
    ("0 0 1-15W * *", "W stands behind one day"),
    ("0 0 W * *", "W stands behind one day"),
    ("0 0 W15 * *", "that is no value"),
    ("0 0 32W * *", "runs from 1 to 31"),
    ("0 0 15WW * *", "W stands behind one day"),
    ("0 0 15W/2 * *", "a step stands behind"),
    ("0 0 * * L", "a weekday or a range of them stands before"),
    ("0 0 * * 5LL", "that is no value"),
    ("0 0 * * #2", "a weekday or a range"),
    ("0 0 * * MON#", "behind # stands 1 to 5"),
    ("0 0 * * MON#6", "behind # stands 1 to 5"),
    ("0 0 * * MON#0", "behind # stands 1 to 5"),
    ("0 0 * * MON#1#2", "behind # stands 1 to 5"),
    ("0 0 * * MON#+1", "behind # stands 1 to 5"),
    ("0 0 * * */2#1", "a weekday or a range"),
    ("0 0 +1 * MON", "day-of-month \"+1\": that is no value"),
    ("0 0 1 * ++MON", "day-of-week \"+MON\""),
    ("0 0 1 * +", "day-of-week \"\": there is no value"),
    ("0 0 1 * MON,+TUE", "day-of-week \"+TUE\""),
    (
        "H(0-60) * * * *",
        "minute \"H(0-60)\": minute runs from 0 to 59",
    ),
    ("H(30-10) * * * *", "a range runs upwards"),
    ("H(5) * * * *", "H stands alone, with a range"),
    ("H5 * * * *", "H stands alone"),
    ("H-5 * * * *", "H stands alone"),
    (
        "H(0-9)/11 * * * *",
        "a step of 11 is larger than the 10 values",
    ),
    ("0 0 0 1 1 * H", "H has no meaning in the year field"),
    ("h * * * *", "that is no value"),
    (
        "@never",
        "nickname \"@never\" cannot be read: there are @yearly",
    ),
    ("@Daily", "nicknames are written in small letters, @daily"),
    ("@reboot", "on = \"startup\""),
    ("@every 5m", "every = \"5m\""),
    ("@every5m", "every = \"5m\""),
    ("@daily 0 0 * * *", "a nickname stands alone"),
    ("0 0 * * *\n", "that is no value"),
    ("0\u{a0}0 * * * *", "that is no value"),
    ("* * * * ＭＯＮ", "that is no value"),
    ("٣ * * * *", "that is no value"),
    ("0 0 30 2 *", "can never match"),
    ("0 0 31 2,4,6,9,11 *", "can never match"),
    ("0 0 0 29 2 * 2027", "can never match"),
    ("0 0 0 29 2 * 2100-2103", "can never match"),
    ("* * 14 * +SUN#3", "can never match"),
    ("0 0 LW * +SAT", "can never match"),
];

#[test]
fn what_is_refused_names_the_field_and_what_would_be_right() {
    for (expression, words) in REFUSED {
        let message = refusal(expression);
        assert!(message.contains(words), "{expression:?}: {message}");
        within_limit(expression, || {
            let _ = refusal(expression);
        });
    }
    assert!(refusal(&"*".repeat(1025)).contains("at most 1024"));
    assert!(
        refusal(&"9".repeat(1000)).len() < 300,
        "an error quotes a line at most"
    );
}
