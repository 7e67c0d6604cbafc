//! tokio-cron-scheduler, through its extension points: the heartbeat and the exact wake.
