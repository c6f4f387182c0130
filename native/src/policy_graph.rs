//! Policies as graphs of few nodes.

use napi::Either;
use tiresias_guard::napi;
use tiresias_solve::formats::{Controller, Merged};

use crate::errors::{Result, from_policy_file, invalid};
use crate::model::{Model, SharedModel};
use crate::policy_files::{AlphaPolicy, Texts};

/// A node of a policy graph.
#[napi(object, object_from_js = false)]
pub struct PolicyNode {
    /// What it does.
    pub action: u32,
    /// The node that follows each observation, of the next stage where there are several; null for an observation that never comes
    /// there, and after the last decision.
    #[napi(ts_type = "Array<number | null>")]
    pub next: Vec<Option<u32>>,
}

/// A finite-state controller: it remembers a node instead of a belief, and the node and what is seen say the next node.
#[napi(object, object_from_js = false)]
pub struct PolicyGraph {
    /// The nodes by stage, or one graph for all stages. Node 0 of the first stage is the one to start in.
    #[napi(ts_type = "Array<Array<PolicyNode>>")]
    pub stages: Vec<Vec<PolicyNode>>,
    /// Number of nodes before any were merged.
    pub nodes_before: u32,
    /// What the graph was worth then at the model's start, exactly.
    pub value_before: f64,
    /// What it is worth now.
    pub value: f64,
    /// Whether no merge was left untried for want of work.
    pub complete: bool,
}

impl From<Merged> for PolicyGraph {
    fn from(merged: Merged) -> Self {
        let Merged { controller, before, value_before, value, complete } = merged;
        let node = |node: &tiresias_solve::formats::Node| PolicyNode { action: node.action, next: node.next.clone() };
        let stages =
            (0..controller.horizon().unwrap_or(1)).map(|stage| controller.nodes(stage).iter().map(node).collect());
        Self { stages: stages.collect(), nodes_before: before as u32, value_before, value, complete }
    }
}

#[napi]
impl AlphaPolicy {
    /// A controller that does what the vectors do, as nearly as a finite number of nodes can, with nodes merged while the value at the
    /// model's start stays within `loss` (default 0), in units of reward. Equal nodes are merged always.
    #[napi]
    pub fn graph(&self, loss: Option<f64>) -> Result<PolicyGraph> {
        let controller = Controller::from_vectors(&self.inner, &self.model).map_err(from_policy_file)?;
        merged(&controller, &self.model, loss)
    }
}

/// Reads a policy graph (`.pg`) for a model: one text for all stages, or a list of one a stage, that with one decision to go first. Nodes
/// are merged as in `AlphaPolicy.graph`. `INVALID_POLICY`, with file, line and column in its details where the text is wrong.
#[napi]
pub fn read_policy_graph(
    text: Either<String, Vec<String>>,
    model: &Model,
    name: Option<String>,
    loss: Option<f64>,
) -> Result<PolicyGraph> {
    let texts = Texts::new(text, name);
    let controller = Controller::read(&texts.files(), &model.0).map_err(from_policy_file)?;
    merged(&controller, &model.0, loss)
}

fn merged(controller: &Controller, model: &SharedModel, loss: Option<f64>) -> Result<PolicyGraph> {
    let loss = loss.unwrap_or(0.0);
    if loss.is_nan() || loss < 0.0 {
        return Err(invalid(format!("loss: {loss} is not a number of at least 0")));
    }
    controller.merged(model, loss).map(PolicyGraph::from).map_err(from_policy_file)
}
