//! Answers of a daemon, for tests of what is made of them. It is noon in Paris in these.

use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::view::{Colour, View};

/// A view at noon in Paris.
pub(super) fn view(width: Option<usize>) -> View {
    View {
        now: "2026-12-01T11:00:00Z".parse().unwrap(),
        zone: TimeZone::get("Europe/Paris").unwrap(),
        width,
        colour: Colour::Off,
    }
}

/// The same with colours.
pub(super) fn coloured(width: Option<usize>) -> View {
    View {
        colour: Colour::On,
        ..view(width)
    }
}

/// A sample with some of its fields set otherwise.
pub(super) fn with<T: DeserializeOwned>(mut sample: Value, other: Value) -> T {
    let Value::Object(other) = other else {
        panic!("fields")
    };
    sample.as_object_mut().unwrap().extend(other);
    serde_json::from_value(sample).unwrap()
}

/// A run that succeeded this night.
pub(super) fn run() -> Value {
    json!({
        "id": "019ad7d9-9800-8c1f-a5e7-0123456789ab",
        "job": "backup",
        "status": "succeeded",
        "trigger": "schedule",
        "scheduled_at": "2026-12-01T01:30:00.000000Z",
        "due_at": "2026-12-01T01:30:00.000000Z",
        "queued_at": null,
        "started_at": "2026-12-01T01:30:00.000812Z",
        "finished_at": "2026-12-01T01:32:05.100000Z",
        "lateness_s": 0.000_812,
        "duration_s": 125.099_188,
        "attempts": 1,
        "exit_code": 0,
        "signal": null,
        "http_status": null,
        "reason": null,
        "params": {},
        "requested_by": null,
        "node": "db1",
        "count": null,
        "last_scheduled_at": null
    })
}

/// A job that ran this night.
pub(super) fn job() -> Value {
    json!({
        "name": "backup",
        "description": "Nightly backup",
        "tags": ["storage", "night"],
        "enabled": true,
        "state": "active",
        "pause": null,
        "schedule": {
            "kind": "cron",
            "expression": "30 2 * * *",
            "timezone": "Europe/Paris",
            "text": "at 02:30 every day"
        },
        "next_fire": "2026-12-02T01:30:00.000000Z",
        "last_run": run(),
        "running": 0,
        "queued": 0,
        "success_rate": 0.985,
        "config": {
            "cron": "30 2 * * *",
            "timezone": "Europe/Paris",
            "command": ["restic", "backup", "/srv"],
            "env": { "LANG": "C", "RESTIC_PASSWORD": { "file": "/etc/punctual/restic.key" } },
            "nice": 10,
            "retry": { "multiplier": 2.0 }
        },
        "next_fires": [
            "2026-12-02T01:30:00.000000Z",
            "2026-12-03T01:30:00.000000Z"
        ],
        "statistics": {
            "runs": 100,
            "duration": { "p50_s": 120.2, "p99_s": 300.0, "max_s": 4210.7 },
            "lateness": { "p50_s": 0.000_8, "p99_s": 0.012, "max_s": 1.5 }
        }
    })
}
