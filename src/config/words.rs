//! Unknown keys: what they were probably meant to be.

/// The words of other schedulers, without case, `-` and `_`, and ours. Read by a person who comes
/// from `APScheduler`, Kubernetes, systemd, Nomad, Ofelia, dkron, Airflow, supercronic or cron.
const WORDS: &[(&str, &str)] = &[
    ("schedule", "cron"),
    ("crontab", "cron"),
    ("cronexpression", "cron"),
    ("crons", "cron"),
    ("oncalendar", "cron"),
    ("interval", "every"),
    ("period", "every"),
    ("frequency", "every"),
    ("onunitactivesec", "every"),
    ("rundate", "at"),
    ("runat", "at"),
    ("date", "at"),
    ("onbootsec", "on"),
    ("onstartup", "on"),
    ("dependson", "after"),
    ("needs", "after"),
    ("parents", "after"),
    ("tz", "timezone"),
    ("zone", "timezone"),
    ("timezones", "timezone"),
    ("crontz", "timezone"),
    ("cmd", "command"),
    ("exec", "command"),
    ("execstart", "command"),
    ("argv", "command"),
    ("args", "command"),
    ("program", "command"),
    ("run", "shell"),
    ("script", "shell"),
    ("bash", "shell"),
    ("sh", "shell"),
    ("url", "http"),
    ("httprequest", "http"),
    ("webhook", "http"),
    ("curl", "http"),
    ("cwd", "working_dir"),
    ("workdir", "working_dir"),
    ("dir", "working_dir"),
    ("directory", "working_dir"),
    ("workingdirectory", "working_dir"),
    ("environment", "env"),
    ("envs", "env"),
    ("vars", "env"),
    ("envfile", "env_file"),
    ("environmentfile", "env_file"),
    ("dotenv", "env_file"),
    ("input", "stdin"),
    ("exitcodes", "success_exit_codes"),
    ("successexitstatus", "success_exit_codes"),
    ("maxinstances", "max_concurrent"),
    ("maxparallel", "max_concurrent"),
    ("parallelism", "max_concurrent"),
    ("concurrency", "max_concurrent"),
    ("maxactiveruns", "max_concurrent"),
    ("concurrencypolicy", "concurrency_policy"),
    ("overlap", "concurrency_policy"),
    ("nooverlap", "concurrency_policy"),
    ("prohibitoverlap", "concurrency_policy"),
    ("misfiregracetime", "starting_deadline"),
    ("startingdeadlineseconds", "starting_deadline"),
    ("gracetime", "starting_deadline"),
    ("deadline", "starting_deadline"),
    ("coalesce", "catch_up"),
    ("catchup", "catch_up"),
    ("misfire", "catch_up"),
    ("misfirepolicy", "catch_up"),
    ("persistent", "catch_up"),
    ("backfill", "catch_up"),
    ("catchupwindow", "catch_up_window"),
    ("startdeadline", "starting_deadline"),
    ("randomizeddelaysec", "jitter"),
    ("splay", "jitter"),
    ("randomdelay", "jitter"),
    ("backofflimit", "retry"),
    ("retries", "retry"),
    ("maxretries", "retry"),
    ("attempts", "retry"),
    ("restartpolicy", "restart"),
    ("activedeadlineseconds", "timeout"),
    ("runtimemaxsec", "timeout"),
    ("maxruntime", "timeout"),
    ("timelimit", "timeout"),
    ("stopsignal", "kill_signal"),
    ("killsignal", "kill_signal"),
    ("timeoutstopsec", "kill_timeout"),
    ("killafter", "kill_timeout"),
    ("terminationgraceperiodseconds", "kill_timeout"),
    ("suspend", "enabled"),
    ("disabled", "enabled"),
    ("paused", "enabled"),
    ("active", "enabled"),
    ("startdate", "start"),
    ("notbefore", "start"),
    ("enddate", "end"),
    ("notafter", "end"),
    ("until", "end"),
    ("skip", "exclude"),
    ("except", "exclude"),
    ("excludedates", "exclude"),
    ("excludecalendars", "exclude"),
    ("calendar", "exclude"),
    ("calendars", "exclude"),
    ("calendarname", "exclude"),
    ("blackout", "exclude"),
    ("blackouts", "exclude"),
    ("holidays", "exclude"),
    ("labels", "tags"),
    ("queue", "pool"),
    ("parameters", "params"),
    ("inputs", "params"),
    ("onfailure", "notify"),
    ("mailto", "notify"),
    ("uid", "user"),
    ("runas", "user"),
    ("gid", "group"),
    ("name", "description"),
    ("comment", "description"),
    ("desc", "description"),
    ("title", "description"),
    // Sections and settings of the daemon.
    ("job", "jobs"),
    ("tasks", "jobs"),
    ("task", "jobs"),
    ("api", "server"),
    ("http", "server"),
    ("web", "server"),
    ("default", "defaults"),
    ("holidays", "calendars"),
    ("excludes", "calendars"),
    ("ics", "file"),
    ("ical", "file"),
    ("path", "file"),
    ("days", "dates"),
    ("date", "dates"),
    ("database", "store"),
    ("db", "store"),
    ("storage", "store"),
    ("jobstores", "store"),
    ("executors", "pools"),
    ("queues", "pools"),
    ("bind", "listen"),
    ("address", "listen"),
    ("port", "listen"),
    ("host", "listen"),
    ("socket", "unix_socket"),
    ("authentication", "auth"),
    ("hosts", "allowed_hosts"),
    ("workers", "threads"),
    ("gracefulshutdown", "shutdown_grace"),
    ("shutdowntimeout", "shutdown_grace"),
    ("path", "url"),
    ("file", "url"),
    ("size", "slots"),
    ("limit", "slots"),
    ("maxworkers", "slots"),
    ("maxage", "max_age"),
    ("keepdays", "max_age"),
    ("hostname", "name"),
    ("regex", "pattern"),
    ("value", "default"),
    ("limit", "max_bytes"),
    ("maxsize", "max_bytes"),
    ("permission", "role"),
    // Of a request.
    ("uri", "url"),
    ("endpoint", "url"),
    ("verb", "method"),
    ("httpmethod", "method"),
    ("data", "body"),
    ("payload", "body"),
    ("status", "expect_status"),
    ("expectedstatus", "expect_status"),
    ("statuscode", "expect_status"),
    ("validstatuscodes", "expect_status"),
    ("expectedresponsecodes", "expect_status"),
    ("contains", "expect_body"),
    ("expectedbody", "expect_body"),
    ("secret", "hash"),
    ("token", "hash"),
];

/// What to write instead of `key`, if `known` are the keys that may stand there.
pub(super) fn suggestion(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let plain = plain(key);
    let same = known.iter().find(|ours| self::plain(ours) == plain);
    let translated = || {
        let of_table = |ours: &&str| known.contains(ours);
        WORDS
            .iter()
            .filter(|(theirs, _)| *theirs == plain)
            .map(|&(_, ours)| ours)
            .find(of_table)
    };
    same.copied()
        .or_else(translated)
        .or_else(|| nearest(key, known.iter().copied()))
}

/// The word among `known` that `word` is a slip of the finger away from.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    let close = known.map(|ours| {
        (
            strsim::damerau_levenshtein(&lower, &ours.to_lowercase()),
            ours,
        )
    });
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    close
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, ours)| ours)
}

fn plain(key: &str) -> String {
    key.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .take(64)
        .collect()
}

/// A word of the config in quotes, cut if it is too long for a sentence.
pub(super) fn quoted(word: &str) -> String {
    match word.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &word[..end]),
        None => format!("{word:?}"),
    }
}
