//! Methods of `tiresias-agents`, made for the tasks of a specification.

use serde_json::Value;
use tiresias_agents::{Entry, Knows, Method, Prior, registry};

use crate::context::shape;
use crate::{Spec, StudyError};

/// A method, ready to play any [`Episodes`](crate::Episodes) of its specification, whichever tasks and nature these have.
pub struct Agents {
    entry: Entry,
    method: Box<dyn Method>,
}

impl Agents {
    /// Makes the method called `name`. `options` is a JSON object; what it leaves out keeps its default.
    pub fn new(spec: &Spec, name: &str, options: Value) -> Result<Self, StudyError> {
        let entry = registry::entry(name)?;
        let family = spec.resolve()?.family;
        let request = spec.request(spec.first_task);
        let shape = shape(&family.task(&request)?.model, spec);
        let method = entry.make(options, spec.support.trajectories, &shape, &Prior { family, request })?;
        Ok(Self { entry, method })
    }

    /// Its name in the registry.
    pub fn name(&self) -> &'static str {
        self.entry.name
    }

    /// Bytes that it takes on the heap, if they are many.
    pub fn bytes(&self) -> usize {
        self.method.bytes()
    }

    /// Whether it is told the truth about each task.
    pub(crate) fn knows_task(&self) -> bool {
        self.entry.knows == Knows::Task
    }

    pub(crate) fn method(&self) -> &dyn Method {
        &*self.method
    }
}
