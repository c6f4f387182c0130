//! Who labels the decisions of a query.
//!
//! A [`Teacher`] is a solved question: one model and its policy, or the static form of a cloud. A [`Follower`] goes along one history,
//! whoever acts in it, and says at each decision what the teacher would do and what any action loses at most. Both speak of the
//! teacher's own model: of the world they know what was seen and done, and no more.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tiresias_model::belief::{predict, selected, update_under_ambiguity};
use tiresias_model::family::{Family, Regime};
use tiresias_model::{Model, ModelError, Nature};
use tiresias_solve::{Assessment, Limits, Player, SolveError, SolvedPolicy, StaticSolution, auto, solve_static};

use crate::{SolvedTask, Spec, StudyError};

/// What the decisions of a query are labelled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    /// The action of the task's oracle.
    #[default]
    Oracle,
    /// The action of the policy that earns most in the worst case (α = 1), where nature chooses from the cloud, or from the sets, anew at every
    /// decision.
    Robust,
    /// The action of the policy that earns most in the worst case, where one model of the cloud is true to the end. It may be drawn.
    Static,
    /// What was done.
    Behaviour,
}

impl Labels {
    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oracle => "oracle",
            Self::Robust => "robust",
            Self::Static => "static",
            Self::Behaviour => "behaviour",
        }
    }
}

/// What every model of a cloud keeps in the prior that histories are judged by, so that a history that any of them allows has a belief.
const LEAST_PRIOR: f64 = 1e-6;

/// A policy that labels histories, in a model.
pub(crate) struct Teacher(Kind);

enum Kind {
    /// One policy for all beliefs.
    Solved(Box<SolvedPolicy>),
    /// The static form of a cloud.
    Static(Box<StaticForm>),
}

/// Plans of which one is drawn, and the answer to the prior that is worst for them, in the POMDP whose hidden state holds the model.
struct StaticForm {
    model: Model,
    solution: StaticSolution,
    prior: Vec<f64>,
    answer: SolvedPolicy,
}

impl Teacher {
    /// Solves a model by the solver that suits it, `cancelled` asked now and then.
    pub fn solved(model: &Model, limits: &Limits, cancelled: &dyn Fn() -> bool) -> Result<Self, SolveError> {
        let hook = |_: &_| if cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        Ok(Self(Kind::Solved(Box::new(auto(model).solve(model, limits, &hook)?.policy))))
    }

    /// Solves the static form of a cloud. With one model nothing is ambiguous, and its own policy is the answer.
    pub fn of_static_form(model: &Model, limits: &Limits, cancelled: &dyn Fn() -> bool) -> Result<Self, SolveError> {
        if model.dynamics().len() == 1 && model.ambiguity().is_none() {
            return Self::solved(model, limits, cancelled);
        }
        let hook = |_: &_| if cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let solution = solve_static(model, limits, &hook)?;
        let models = model.dynamics().len() as f64;
        let kept = 1.0 - models * LEAST_PRIOR;
        let prior: Vec<f64> = solution.prior.iter().map(|w| kept * w + LEAST_PRIOR).collect();
        let product = model.environments(&prior).map_err(|error| SolveError::Unsupported {
            solver: "static",
            expected: "a cloud of models",
            found: error.to_string(),
        })?;
        let answer = auto(&product).solve(&product, limits, &hook)?.policy;
        Ok(Self(Kind::Static(Box::new(StaticForm { model: model.clone(), solution, prior, answer }))))
    }

    /// The model that it was solved for.
    pub fn model(&self) -> &Model {
        match &self.0 {
            Kind::Solved(policy) => policy.model(),
            Kind::Static(form) => &form.model,
        }
    }

    /// Proven bounds on the value of the static form of a cloud; `None` where it is one model's own value.
    pub fn static_bounds(&self) -> Option<(f64, f64)> {
        match &self.0 {
            Kind::Static(form) => Some((form.solution.lower, form.solution.upper)),
            Kind::Solved(_) => None,
        }
    }

    /// Bytes that it takes, nearly.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Kind::Solved(policy) => policy.bytes(),
            Kind::Static(form) => form.answer.bytes(),
        }
    }

    /// Begins a history. `seen` is the first state where states are seen. Where they are not, `belief` (length S) is what is believed before
    /// the first decision, the model's start where it is left out. `draw`, a uniform number in [0, 1), draws the plan where one is drawn.
    pub fn begin(&self, seen: Option<usize>, belief: Option<&[f64]>, draw: f64) -> Follower<'_> {
        let model = self.model();
        let belief = match (belief, seen.filter(|_| model.observations().is_none())) {
            (_, Some(state)) => {
                let mut point = vec![0.0; model.states().len()];
                point[state] = 1.0;
                point
            }
            (Some(belief), None) => belief.to_vec(),
            (None, None) => model.start().to_vec(),
        };
        let (policy, belief, plan) = match &self.0 {
            Kind::Solved(policy) => (policy.as_ref(), belief, None),
            Kind::Static(form) => {
                let StaticForm { model, solution, prior, answer } = &**form;
                (answer, model.environments_start(prior, &belief), solution.drawn(draw).begin(seen))
            }
        };
        let next = vec![0.0; belief.len()];
        Follower { policy, stage: 0, belief, next, plan, assessment: None }
    }
}

/// A teacher on the way along one history.
pub(crate) struct Follower<'a> {
    /// What judges actions: the policy, or in the static form the answer to the worst prior.
    policy: &'a SolvedPolicy,
    stage: usize,
    belief: Vec<f64>,
    next: Vec<f64>,
    /// The plan that was drawn, as long as what is done is what it does.
    plan: Option<Player<'a>>,
    assessment: Option<Assessment>,
}

impl Follower<'_> {
    /// What the teacher would do now, and what its model says of every action. In the static form it does what the drawn plan does, and where
    /// something else was done before, of which plans say nothing, what is best against the worst prior.
    pub fn look(&mut self) -> (usize, &Assessment) {
        let plan = self.plan;
        let assessment = self.assessment();
        (plan.map_or_else(|| assessment.action(), |plan| plan.action()), assessment)
    }

    fn assessment(&mut self) -> &Assessment {
        let Self { policy, stage, belief, .. } = self;
        self.assessment.get_or_insert_with(|| policy.assess(*stage, belief))
    }

    /// Goes on after what was done and what was seen then (the observation, or the state where it is seen); `None` where nothing was.
    /// [`ModelError::ImpossibleObservation`] when the teacher's model rules out what was seen.
    pub fn step(&mut self, action: usize, seen: Option<usize>) -> Result<(), ModelError> {
        let nature = self.nature(action);
        self.plan = self.plan.filter(|plan| plan.action() == action).zip(seen).map(|(mut plan, seen)| {
            plan.observe(seen);
            plan
        });
        let model = self.policy.model();
        match seen {
            Some(state) if model.observations().is_none() => {
                self.next.fill(0.0);
                self.next[state] = 1.0;
            }
            Some(seen) => {
                update_under_ambiguity(model, nature, &self.belief, action, seen, &mut self.next)?;
            }
            None => predict(model, selected(model, nature), &self.belief, action, &mut self.next),
        }
        std::mem::swap(&mut self.belief, &mut self.next);
        self.stage += 1;
        self.assessment = None;
        Ok(())
    }

    /// Where one model is all there is, nature has no say, and nothing needs to be assessed.
    fn nature(&mut self, action: usize) -> Nature {
        let model = self.policy.model();
        if model.dynamics().len() == 1 || model.observations().is_none() {
            return Nature { minimiser: 0, maximiser: 0 };
        }
        self.assessment().nature[action]
    }
}

/// The teachers of a specification's labels.
pub(crate) enum Teachers {
    /// The oracles of the tasks themselves.
    Oracles,
    /// One for each task, of its own cloud.
    Tasks,
    /// One for all tasks of the family, solved when it is first needed.
    Family { model: Box<Model>, solved: Mutex<Option<Arc<Teacher>>> },
}

impl Teachers {
    /// Who labels. [`StudyError::Spec`] where there is nothing to be robust over.
    pub fn new(spec: &Spec, family: &dyn Family) -> Result<Self, StudyError> {
        let Spec { labels, regime, alpha, .. } = spec;
        let refuse = |problem: &str| Err(StudyError::Spec(format!("labels: {} {problem}", labels.name())));
        if spec.histories.is_some() && *labels != Labels::Oracle {
            return refuse(
                "cannot be had from learning histories, whose labels are what the learner did: leave one of them out",
            );
        }
        if matches!(labels, Labels::Oracle | Labels::Behaviour) {
            return Ok(Self::Oracles);
        }
        if let Some(model) = family.robust(spec.horizon)? {
            if *labels == Labels::Static && model.ambiguity().is_some() {
                return refuse(
                    "is a question about a cloud of models, and the family's robust.json has sets around its rows",
                );
            }
            return Ok(Self::Family { model: Box::new(model), solved: Mutex::new(None) });
        }
        if *regime != Regime::Apomdp {
            return refuse(
                "needs a cloud, and tasks of this regime have one model each: use the regime apomdp, a family from logs, or a folder of models with a robust.json",
            );
        }
        match labels {
            // The oracle of a max-min task is robust already.
            Labels::Robust if *alpha == 1.0 => Ok(Self::Oracles),
            Labels::Static if *alpha != 1.0 => refuse("is about the worst case: alpha must be 1"),
            _ => Ok(Self::Tasks),
        }
    }

    /// The teacher of all tasks, where there is one.
    pub fn of_all(&self, spec: &Spec, cancelled: &dyn Fn() -> bool) -> Result<Option<Arc<Teacher>>, StudyError> {
        let Self::Family { model, solved } = self else { return Ok(None) };
        let mut solved = solved.lock().unwrap_or_else(PoisonError::into_inner);
        if solved.is_none() {
            *solved = Some(Arc::new(teacher(spec.labels, model, &spec.limits(), cancelled)?));
        }
        Ok(solved.clone())
    }

    /// The teacher of one task, where each has one.
    pub fn of_task(
        &self,
        task: &SolvedTask,
        spec: &Spec,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Teacher>, StudyError> {
        let Self::Tasks = self else { return Ok(None) };
        let mut parts = task.model().to_builder();
        parts.alpha = 1.0;
        teacher(spec.labels, &parts.build()?, &spec.limits(), cancelled).map(Some)
    }
}

/// Solves what labels are asked for.
pub(crate) fn teacher(
    labels: Labels,
    model: &Model,
    limits: &Limits,
    cancelled: &dyn Fn() -> bool,
) -> Result<Teacher, StudyError> {
    let solved = match labels {
        Labels::Static => Teacher::of_static_form(model, limits, cancelled),
        Labels::Oracle | Labels::Robust | Labels::Behaviour => Teacher::solved(model, limits, cancelled),
    };
    if cancelled() { Err(StudyError::Cancelled) } else { solved.map_err(StudyError::Teacher) }
}
