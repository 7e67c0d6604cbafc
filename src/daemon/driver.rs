//! The loop that feeds the dispatcher: one input at a time, the clock read once for each.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot};

use super::handle::Request;
use super::shown::Shown;
use crate::clock;
use crate::dispatch::{Answer, CommandId, Dispatcher, Effect, HandedOver, Input, Refusal};
use crate::engine::Engine;
use crate::job::Event;
use crate::runner::{Report, Runner};
use crate::store::{Ledger, StoredOutput};

/// An answer on its way to whoever asked.
pub(super) type Reply = oneshot::Sender<Result<Answer, Refusal>>;

/// Everything that the driver hears. Wakes come first, so that no flood of anything else delays a
/// fire.
pub(super) struct Inbox {
    /// Wakes and ticks.
    pub(super) wakes: mpsc::Receiver<Input>,
    /// Claims that are durable. Unbounded, because the ledger's thread must not wait for the
    /// driver while the driver waits for the ledger; bounded in effect by the ledger's inbox, as
    /// each batch is answered at most once.
    pub(super) claims: mpsc::UnboundedReceiver<Input>,
    /// News of processes.
    pub(super) reports: mpsc::Receiver<Report>,
    /// Shutdown, reload.
    pub(super) orders: mpsc::Receiver<Order>,
    /// Commands.
    pub(super) requests: mpsc::Receiver<Request>,
}

/// Something that the daemon itself wants.
pub(super) struct Order {
    pub(super) input: Input,
    /// Told once what follows from it is durable.
    pub(super) applied: Option<oneshot::Sender<()>>,
}

/// What goes to the ledger along with the changes of a step, and who waits for it.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) outputs: Vec<StoredOutput>,
    pub(super) applied: Option<oneshot::Sender<()>>,
}

/// The one owner of the dispatcher, and the hands that carry out its effects.
pub(super) struct Driver {
    pub(super) dispatcher: Dispatcher,
    pub(super) engine: Engine,
    pub(super) ledger: Ledger,
    pub(super) runner: Runner,
    pub(super) claims: mpsc::UnboundedSender<Input>,
    pub(super) shown: Shown,
    pub(super) events: broadcast::Sender<Arc<Event>>,
    pub(super) waiting: HashMap<CommandId, Reply>,
    pub(super) commands: u64,
    pub(super) drained: bool,
}

impl Driver {
    /// Runs until everything is drained, or nothing more is to be decided in this life.
    pub(super) async fn run(mut self, first: Vec<Effect>, mut inbox: Inbox) -> (Self, Inbox) {
        self.perform(first, Beside::default()).await;
        self.publish();
        while !self.drained {
            tokio::select! {
                biased;
                Some(input) = inbox.wakes.recv() => self.take(input).await,
                Some(input) = inbox.claims.recv() => self.take(input).await,
                Some(report) = inbox.reports.recv() => self.report(report).await,
                Some(order) = inbox.orders.recv() => self.order(order).await,
                Some(request) = inbox.requests.recv() => self.request(request).await,
                () = self.shown.due() => self.publish(),
                else => break,
            }
        }
        self.publish();
        (self, inbox)
    }

    /// Takes what was reported while attempts were packed, and says what the next life is to know.
    pub(super) async fn conclude(mut self, mut inbox: Inbox) -> HandedOver {
        while let Ok(report) = inbox.reports.try_recv() {
            self.report(report).await;
        }
        self.dispatcher.handed_over()
    }

    async fn take(&mut self, input: Input) {
        let effects = self.dispatcher.step(clock::now(), input);
        self.perform(effects, Beside::default()).await;
        self.shown.outdated(&mut self.dispatcher);
    }

    async fn order(&mut self, order: Order) {
        if let Input::Reload { plans, .. } = &order.input {
            self.runner.expect(plans.values().map(|plan| &plan.action));
        }
        let effects = self.dispatcher.step(clock::now(), order.input);
        self.publish();
        let beside = Beside {
            outputs: Vec::new(),
            applied: order.applied,
        };
        self.perform(effects, beside).await;
    }

    async fn report(&mut self, report: Report) {
        let (input, outputs) = match report {
            Report::Started {
                run,
                attempt,
                pid,
                at,
            } => (
                Input::Started {
                    run,
                    attempt,
                    pid,
                    at,
                },
                Vec::new(),
            ),
            Report::Ended {
                run,
                attempt,
                end,
                figures,
                output,
                at,
                ..
            } => {
                let stored = super::perform::stored(run, attempt, output);
                (
                    Input::Ended {
                        run,
                        attempt,
                        end,
                        figures,
                        at,
                    },
                    vec![stored],
                )
            }
        };
        let effects = self.dispatcher.step(clock::now(), input);
        self.perform(
            effects,
            Beside {
                outputs,
                applied: None,
            },
        )
        .await;
        self.shown.outdated(&mut self.dispatcher);
    }

    async fn request(&mut self, request: Request) {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.waiting.insert(id, request.reply);
        let input = Input::Command {
            id,
            by: request.by,
            command: request.command,
        };
        let effects = self.dispatcher.step(clock::now(), input);
        // Before the answer, so that whoever asked sees what changed.
        self.publish();
        self.perform(effects, Beside::default()).await;
    }

    fn publish(&mut self) {
        self.shown.publish(&mut self.dispatcher);
    }
}
