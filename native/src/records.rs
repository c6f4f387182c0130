//! Few-shot examples from recorded decisions.

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{Float64Array, Uint8Array};
use tiresias_guard::napi;
use tiresias_study as core;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, background};
use crate::errors::{Result, from_study, index, whole};
use crate::held::{Held, Home, Weigh, disposable};
use crate::logs::Trajectories;
use crate::model::Model;
use crate::study::{ShardReport, StageProgress, hook};
use crate::tokenizer::Tokenizer;

/// Recorded decisions with their labels.
#[napi]
pub struct LabelledRecords(Held<Arc<core::Records>>);

impl Weigh for Arc<core::Records> {
    const CLASS: &'static str = "LabelledRecords";

    fn weight(&self) -> usize {
        self.bytes()
    }
}

disposable!(LabelledRecords);

/// What is said of every recorded step, one entry a step.
#[napi(object, object_from_js = false)]
pub struct StepLabels {
    /// What the step is labelled with.
    pub labels: Uint8Array,
    /// What the policy that was solved for the model would have done.
    pub oracle_actions: Uint8Array,
    /// What the label loses at most in the model, in reward units.
    pub regret_bounds: Float64Array,
    /// What the recorded action loses at most in the model, in reward units.
    pub recorded_regret_bounds: Float64Array,
}

/// Solves the policy that labels and labels every step. `spec` is JSON text; `first` has beliefs after a first symbol, symbols × states.
#[napi(ts_return_type = "Promise<LabelledRecords>")]
pub fn label_records(
    trajectories: &Trajectories,
    model: &Model,
    spec: String,
    first: Option<Float64Array>,
    threads: Option<f64>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<Background<LabelledRecords>> {
    let spec = core::RecordsSpec::from_json(&spec).map_err(from_study)?;
    let (trajectories, model, home) = (trajectories.clone(), model.clone(), Home::here());
    let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    let first = first.map(|first| first.to_vec());
    Ok(background(cancel.clone(), crate::background::threads(threads)?, move || {
        let hook = hook(&reporter, &cancel);
        let records = core::Records::new(&spec, &trajectories.0.all, &model.0, first.as_deref(), &hook);
        Ok(LabelledRecords(Held::new(&home, Arc::new(records.map_err(from_study)?))))
    }))
}

#[napi]
impl LabelledRecords {
    /// What is said of every recorded step.
    #[napi]
    pub fn steps(&self) -> StepLabels {
        let core::LabelledSteps { labels, oracle_actions, regret_bounds, recorded_regret_bounds } =
            self.0.steps().clone();
        StepLabels {
            labels: labels.into(),
            oracle_actions: oracle_actions.into(),
            regret_bounds: regret_bounds.into(),
            recorded_regret_bounds: recorded_regret_bounds.into(),
        }
    }

    /// Makes the shard of the examples `first` to `first + count`; the file appears under its name only when it is whole.
    #[napi(ts_return_type = "Promise<ShardReport>")]
    #[allow(clippy::too_many_arguments)]
    pub fn make_shard(
        &self,
        tokenizer: &Tokenizer,
        path: String,
        first: f64,
        count: f64,
        threads: Option<f64>,
        cancel: Option<&CancelToken>,
        #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
    ) -> Result<Background<ShardReport>> {
        let (first, count) = (index("first", first)?, whole("count", count, 1, u32::MAX)? as usize);
        let (records, tokenizer) = (Arc::clone(&self.0), tokenizer.clone());
        let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
        Ok(background(cancel.clone(), crate::background::threads(threads)?, move || {
            let hook = hook(&reporter, &cancel);
            let report = records.make_shard(&**tokenizer.0, Path::new(&path), (first, count), &hook);
            report.map(|report| ShardReport::of(path, report)).map_err(from_study)
        }))
    }
}
