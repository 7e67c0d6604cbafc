//! The configuration as a whole.

use super::*;

/// An ordinary user's process on a machine in Paris.
pub(super) fn ordinary() -> Environment {
    Environment {
        euid: 1000,
        home: Some("/home/ann".into()),
        punctual_config: None,
        state_directory: None,
        runtime_directory: None,
        xdg_config_home: None,
        xdg_state_home: None,
        xdg_runtime_dir: None,
        host_name: "desk".to_owned(),
        cores: 4,
        local_zone: Some("Europe/Paris".to_owned()),
        tzdb: Some("2026b".to_owned()),
    }
}
