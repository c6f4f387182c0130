//! Threads that compare nodes along with the search's own.
//!
//! Work comes every few microseconds and takes as long, which is less than it takes to wake a thread: so one that is done looks for
//! more for a while before it sleeps. Nothing is borrowed across threads: a batch is handed out and comes back.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvError, Sender, TryRecvError, channel};

use super::compare::{Batch, Gain, Room};

/// Looks for work before a thread sleeps: about a tenth of a millisecond.
const LOOKS: usize = 2_000;

/// The threads beside the search's own, which start when there is work for them and end with the team.
pub(super) struct Team {
    most: usize,
    lanes: Vec<Lane>,
}

struct Lane {
    batches: Sender<Arc<Batch>>,
    gains: Receiver<Vec<(u32, Gain)>>,
}

impl Team {
    /// For a search on so many threads in all.
    pub fn new(threads: usize) -> Self {
        Self { most: threads.saturating_sub(1), lanes: Vec::new() }
    }

    /// Threads that have started.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Threads to be had, of so many wanted.
    pub fn ready(&mut self, wanted: usize) -> usize {
        let wanted = wanted.min(self.most);
        // Ends: there is one lane more, or no more to be had.
        while self.lanes.len() < wanted {
            match Lane::new() {
                Some(lane) => self.lanes.push(lane),
                // The system gives no more.
                None => self.most = self.lanes.len(),
            }
            if self.most == self.lanes.len() {
                break;
            }
        }
        wanted.min(self.most)
    }

    /// Shares a batch with the first `lanes` threads, which are [`ready`](Self::ready); returns it with what its nodes gain, in no
    /// particular order.
    pub fn share(&self, lanes: usize, batch: Batch, room: &mut Room) -> (Batch, Vec<(u32, Gain)>) {
        let batch = Arc::new(batch);
        for lane in &self.lanes[..lanes] {
            lane.batches.send(batch.clone()).expect("a thread waits for batches while its team is there");
        }
        let mut gains = batch.work(room);
        for lane in &self.lanes[..lanes] {
            gains.extend(next(&lane.gains).expect("a thread answers each batch"));
        }
        let batch = Arc::into_inner(batch).expect("a thread lets go of a batch before it answers");
        (batch, gains)
    }
}

impl Lane {
    fn new() -> Option<Self> {
        let (batches, inbox) = channel::<Arc<Batch>>();
        let (outbox, gains) = channel();
        let run = move || {
            let mut room = Room::default();
            // Ends: the team drops its side.
            while let Ok(batch) = next(&inbox) {
                let found = batch.work(&mut room);
                drop(batch);
                if outbox.send(found).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("tiresias-search".into()).spawn(run).ok()?;
        Some(Self { batches, gains })
    }
}

/// The next message: looked for at first, then slept for.
fn next<T>(from: &Receiver<T>) -> Result<T, RecvError> {
    for _ in 0..LOOKS {
        match from.try_recv() {
            Ok(message) => return Ok(message),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
    from.recv()
}
