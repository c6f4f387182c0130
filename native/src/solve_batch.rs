//! Many models in one call: threads are shared out over the models, each of which is solved on one thread.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use napi::Error;
use napi::bindgen_prelude::ClassInstance;
use rayon::prelude::*;
use tiresias_guard::napi;
use tiresias_solve as core;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, background, guarded, threads};
use crate::errors::{Result, cancelled, whole};
use crate::held::{Held, Home, Weigh, disposable};
use crate::model::{Model, SharedModel};
use crate::solve::{Solution, SolveOptions, prepare, run, solver};
use crate::study::StageProgress;

/// Solutions in the order of their models.
#[napi]
pub struct SolvedBatch(Held<Vec<Settled>>);

/// The solution of one model, or the error that it ended with.
type Settled = std::result::Result<Solution, String>;

impl Weigh for Vec<Settled> {
    const CLASS: &'static str = "SolvedBatch";

    fn weight(&self) -> usize {
        // Each solution counts by itself.
        size_of_val(&self[..])
    }
}

disposable!(SolvedBatch);

#[napi]
impl SolvedBatch {
    /// Number of models.
    #[napi(getter)]
    pub fn length(&self) -> u32 {
        self.0.len() as u32
    }

    /// The solution of model `i`; throws the error that it ended with.
    #[napi]
    pub fn solution(&self, i: f64) -> Result<Solution> {
        let last = (self.0.len() as u32).saturating_sub(1);
        let solved = self.0.get(whole("index", i, 0, last)?);
        let missing = || Err("INVALID_ARGUMENT: the batch is empty".into());
        solved.cloned().unwrap_or_else(missing).map_err(Error::from_reason)
    }
}

/// Solves every model with the same options; limits hold for each. A stopped batch resolves with what every model had so far, a
/// cancelled one rejects.
#[napi(ts_return_type = "Promise<SolvedBatch>")]
pub fn solve_batch(
    models: Vec<ClassInstance<'_, Model>>,
    options: Option<SolveOptions>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<Background<SolvedBatch>> {
    let options = options.unwrap_or_default();
    let tasks = models.iter().map(|model| prepare(model, &options)).collect::<Result<Vec<_>>>()?;
    if let Some((model, _)) = tasks.first() {
        // A misspelt name is an error of the call, not of every model.
        solver(options.solver.as_deref(), model)?;
    }
    let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    let home = Home::here();
    Ok(background(cancel.clone(), threads(options.threads)?, move || {
        let (done, total) = (AtomicUsize::new(0), tasks.len());
        let go_on =
            |_: &core::Progress| if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let solve = |(model, limits): &(SharedModel, core::Limits)| {
            let limits = core::Limits { threads: 1, ..limits.clone() };
            let solved = guarded(|| {
                if cancel.unwanted() {
                    return Err(cancelled());
                }
                let solver = solver(options.solver.as_deref(), model)?;
                run(&home, model.clone(), &*solver, &limits, &go_on)
            });
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let phase = "solve".into();
            reporter.report(done == total, || StageProgress { done: done as u32, total: total as u32, phase });
            solved.map_err(|error| error.reason.clone())
        };
        // One model at a time is taken: their times differ by orders of magnitude.
        let solved = tasks.par_iter().with_max_len(1).map(solve).collect();
        if cancel.unwanted() { Err(cancelled()) } else { Ok(SolvedBatch(Held::new(&home, solved))) }
    }))
}
