//! A disk that is full, and then is not.
//!
//! The limit is that on the size of a file, which the kernel sets for a process: it fails writes
//! as a full disk does, for an ordinary user too. So the ledger lives in a child.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use punctual::job::{ClaimOutcome, Status, Write};
use punctual::store::{Batch, Ledger, Retention, StoreError, check};
use rustix::process::{Resource, Rlimit, setrlimit};
use tempfile::TempDir;

use crate::home::{child_folder, in_child, t, until};
use crate::rows::{fire, output};

#[test]
fn nothing_is_lost_and_nothing_lies_while_the_disk_is_full() {
    let folder = TempDir::new().unwrap();
    let shell = "trap '' XFSZ; ulimit -S -f 2000";
    let done = in_child("full_disk::child_meets_a_full_disk", shell, folder.path());
    let text = String::from_utf8_lossy(&done.stdout);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success() && text.contains("1 passed"),
        "{text}{error}"
    );
}

#[tokio::test]
#[ignore = "run by its parent"]
async fn child_meets_a_full_disk() {
    let path = child_folder().join("ledger.db");
    let (ledger, _) = Ledger::open(&path, Retention::default()).unwrap();
    let reader = ledger.reader();
    let acked = Arc::new(AtomicUsize::new(0));
    let mut sent = 0;
    // One by one while the disk takes them, and then more than could ever fit.
    let mut after_the_end = 0;
    while after_the_end < 60 {
        assert!(sent < 10_000, "the disk never filled");
        after_the_end += u32::from(!ledger.health().writable);
        // Claim and start in one batch: were it asked anew, the claim would find its own start.
        let at = t(i64::try_from(sent).unwrap());
        let run = fire("a", at, Status::Running);
        let mut batch = Batch::now(vec![
            Write::Claim(fire("a", at, Status::Scheduled)),
            Write::Run(run.clone()),
        ]);
        batch.outputs = vec![output(run.id, 1, &[b'x'; 60_000])];
        let count = Arc::clone(&acked);
        let batch = batch.then(move |it| {
            assert_eq!(it.claims, [(run.id, ClaimOutcome::Claimed)]);
            count.fetch_add(1, Ordering::SeqCst);
        });
        ledger.try_submit(batch).unwrap();
        sent += 1;
        until("an answer or a failure", || {
            acked.load(Ordering::SeqCst) == sent || !ledger.health().writable
        })
        .await;
    }
    let durable = acked.load(Ordering::SeqCst);
    assert!(durable > 0 && durable < sent, "{durable} of {sent}");
    let health = ledger.health();
    assert!(
        health.last_error.is_some() && health.pending > 0,
        "{health:?}"
    );
    for n in 0..durable {
        let id = fire("a", t(i64::try_from(n).unwrap()), Status::Running).id;
        assert!(
            reader.run(id).await.unwrap().is_some(),
            "acknowledged, so there"
        );
    }
    let hurried = ledger.clone().close(Duration::from_millis(300)).await;
    assert!(
        matches!(hurried, Err(StoreError::Unwritten { .. })),
        "{hurried:?}"
    );
    assert!(acked.load(Ordering::SeqCst) < sent, "still full");

    let none = Rlimit {
        current: None,
        maximum: None,
    };
    setrlimit(Resource::Fsize, none).unwrap();
    until("the last of them", || acked.load(Ordering::SeqCst) == sent).await;
    ledger.close(Duration::from_mins(1)).await.unwrap();
    let (_ledger, recovered) = Ledger::open(&path, Retention::default()).unwrap();
    assert_eq!(recovered.live.len(), sent);
    assert_eq!(check(&path).unwrap().problems, [""; 0]);
}
