//! One cell: layers are trained, then they and the closed form act in linear MDPs, beside what the theory says.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use tiresias_model::memory;
use tiresias_model::random::{Key, unit32};

use crate::attention::{Layer, Scratch, dot, norm};
use crate::bound::{Bound, Parts};
use crate::closed_form::{ClosedForm, Error, spectrum, square};
use crate::linear_mdp::{LinearMdp, Shape};
use crate::normals::Normals;
use crate::planning::{self, Plan};
use crate::prompt::Prompt;
use crate::training::{Training, train};
use crate::{Failed, Hook, Progress};

/// What a cell is made from.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Of all random numbers.
    pub seed: u64,
    /// How large the MDPs are.
    pub shape: Shape,
    /// The eigenvalues of `Λ` fall as `k^-decay`.
    pub decay: f64,
    /// N: pairs of a training prompt.
    pub training_length: usize,
    /// M: pairs of a prompt at test time, rising. A shorter prompt is the beginning of a longer one.
    pub pairs: Vec<usize>,
    /// MDPs.
    pub tasks: usize,
    /// Prompts of every MDP.
    pub prompts: usize,
    /// Gaussian prompts on which the layer is held against the theory.
    pub gaussian_prompts: usize,
    /// Layers that are trained, each from a start and on prompts of its own.
    pub layers: usize,
    /// How they are trained.
    pub training: Training,
}

/// What came of a cell.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// One a trained layer.
    pub layers: Vec<Trained>,
    /// One a number of pairs: on prompts as in training.
    pub gaussian: Vec<Gaussian>,
    /// One a task.
    pub tasks: Vec<Task>,
}

/// How close a trained layer came to the closed form.
#[derive(Debug, Clone, Copy)]
pub struct Trained {
    /// `‖A − Γ⁻¹‖_F / ‖Γ⁻¹‖_F` for the layer's matrix A.
    pub distance: f64,
    /// By how much the mean squared error of A over prompts of the training's length exceeds that of `Γ⁻¹`, as a share of it.
    pub excess: f64,
    /// How large the numbers are that the minimiser has at 0, as a share of those beside them: the value's.
    pub stray_value: f64,
    /// The same of key and query.
    pub stray_key_query: f64,
}

/// Mean squared errors on prompts of M pairs drawn as in training.
#[derive(Debug, Clone, Copy)]
pub struct Gaussian {
    /// Of the closed form, in theory.
    pub exact: Error,
    /// Of the closed form, measured.
    pub closed: f64,
    /// Its standard error.
    pub closed_error: f64,
    /// Of the trained layers, measured on the same prompts.
    pub trained: f64,
    /// Its standard error.
    pub trained_error: f64,
}

/// What came of one MDP.
#[derive(Debug, Clone)]
pub struct Task {
    /// V*.
    pub optimal: f64,
    /// What random actions earn.
    pub random: f64,
    /// The least that can be earned.
    pub worst: f64,
    /// D.
    pub leverage: f64,
    /// One a number of pairs.
    pub points: Vec<Point>,
}

/// What came of one MDP and number of pairs.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// The closed form's mean squared error at uniformly drawn pairs, in theory.
    pub exact: Error,
    /// What acting on it may cost, in theory.
    pub bound: Bound,
    /// The closed form, measured.
    pub closed: Acted,
    /// The trained layers, measured: their mean.
    pub trained: Acted,
}

/// What acting greedily on an estimate of Q* came to: means over prompts. Errors are of the estimate less Q*, and means over stages.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Acted {
    /// `V* − V^π`, computed exactly for every prompt's policy π.
    pub loss: f64,
    /// `Σ_h E_π[e(s, π(s)) − e(s, π*(s))]`: the first step of the bound, before anything is bounded by norms.
    pub advantage: f64,
    /// `D Σ_h √(E e²)` over uniformly drawn pairs: the second step, with the errors that were made.
    pub realised: f64,
    /// Mean squared error at pairs drawn as those of the prompts.
    pub error_training: f64,
    /// In the states that π visits, over all actions alike.
    pub error_states: f64,
    /// In the states that π visits, of the action that it takes there.
    pub error_policy: f64,
    /// Mean error of that action: above 0, the estimate promises too much where it leads.
    pub optimism: f64,
}

impl Acted {
    fn add(&mut self, other: &Self, share: f64) {
        let mine = [
            &mut self.loss,
            &mut self.advantage,
            &mut self.realised,
            &mut self.error_training,
            &mut self.error_states,
            &mut self.error_policy,
            &mut self.optimism,
        ];
        let theirs = [
            other.loss,
            other.advantage,
            other.realised,
            other.error_training,
            other.error_states,
            other.error_policy,
            other.optimism,
        ];
        mine.into_iter().zip(theirs).for_each(|(mine, theirs)| *mine += share * theirs);
    }
}

impl Setting {
    /// Refuses what is none.
    fn check(&self) -> Result<(), Failed> {
        let Shape { states, actions, dimension, horizon } = self.shape;
        let wrong = |what: String| Err(Failed::Setting(what));
        let counts = [
            ("states", states),
            ("actions", actions),
            ("dimension", dimension),
            ("horizon", horizon),
            ("trainingLength", self.training_length),
            ("tasks", self.tasks),
            ("prompts", self.prompts),
            ("gaussianPrompts", self.gaussian_prompts),
            ("layers", self.layers),
            ("steps", self.training.steps),
            ("batch", self.training.batch),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, n)| *n == 0) {
            return wrong(format!("{name} is 0, and there must be one at least"));
        }
        if self.shape.pairs() < dimension {
            return wrong(format!(
                "{states} states of {actions} actions have fewer pairs than the {dimension} features, whose second moment is singular then: give more states or fewer features"
            ));
        }
        if self.pairs.is_empty() || self.pairs[0] == 0 || !self.pairs.is_sorted_by(|a, b| a < b) {
            return wrong(format!("pairs {:?} are not rising numbers from 1", self.pairs));
        }
        if !(0.0..=8.0).contains(&self.decay) {
            return wrong(format!("decay {} is not a number from 0 to 8", self.decay));
        }
        if !(self.training.learning_rate > 0.0 && self.training.learning_rate.is_finite()) {
            return wrong(format!("learningRate {} is not a positive number", self.training.learning_rate));
        }
        let points = memory::product(&[self.tasks, self.pairs.len(), size_of::<Point>()]);
        memory::check(points, || format!("what comes of {} tasks", self.tasks), "give fewer tasks")?;
        let errors = memory::product(&[self.gaussian_prompts, self.pairs.len(), size_of::<(f64, f64)>()]);
        memory::check(
            errors,
            || format!("the errors of {} prompts", self.gaussian_prompts),
            "give fewer gaussianPrompts",
        )?;
        Ok(())
    }

    /// Runs the cell on the current rayon pool. The same numbers for any number of threads.
    pub fn run(&self, hook: &Hook) -> Result<Outcome, Failed> {
        self.check()?;
        let closed = ClosedForm::new(&spectrum(self.shape.dimension, self.decay), self.training_length);
        let layer = |i: usize| {
            let key = Key::named(self.seed, &["theory", "training"], &[i as u64]);
            let steps = self.training.steps;
            let told = |progress: Progress| {
                hook(Progress { done: i * steps + progress.done, total: self.layers * steps, ..progress })
            };
            train(&closed, self.training_length, &self.training, key, &told)
        };
        let layers = (0..self.layers).map(layer).collect::<Result<Vec<_>, _>>()?;
        let watch = Watch { hook, done: AtomicUsize::new(0), total: self.gaussian_prompts + self.tasks * self.prompts };
        let gaussian = self.gaussian(&closed, &layers, &watch)?;
        let task = |index| self.task(&closed, &layers, index, &watch);
        let tasks = (0..self.tasks).into_par_iter().map(task).collect::<Result<Vec<_>, Failed>>()?;
        Ok(Outcome { layers: layers.iter().map(|layer| closeness(&closed, layer)).collect(), gaussian, tasks })
    }

    /// Queries of every Gaussian prompt.
    const QUERIES: usize = 8;

    /// Closed form and layers on the same prompts of `x ~ N(0, Λ)`, `y = xᵀ w`, `w ~ N(0, I)`.
    fn gaussian(&self, closed: &ClosedForm, layers: &[Layer], watch: &Watch) -> Result<Vec<Gaussian>, Failed> {
        let d = self.shape.dimension;
        let deviations: Vec<f64> = closed.lambda().iter().map(|l| l.sqrt()).collect();
        let key = Key::named(self.seed, &["theory", "gaussian"], &[]);
        let prompt = |i: usize| {
            let mut normals = Normals::new(key, i as u64);
            let mut scratch = Scratch::new(d);
            let mut draw = |deviations: &[f64]| {
                let mut x = vec![0.0; d];
                normals.fill(deviations, &mut x);
                x
            };
            let w = draw(&vec![1.0; d]);
            let queries: Vec<Vec<f64>> = (0..Self::QUERIES).map(|_| draw(&deviations)).collect();
            let mut prompt = Prompt::new(d);
            let mut errors = Vec::new();
            for &pairs in &self.pairs {
                watch.ask()?;
                while prompt.length() < pairs {
                    let x = draw(&deviations);
                    prompt.add(&x, dot(&w, &x), 1);
                }
                let estimate = closed.weights(prompt.correlation(), pairs);
                let error = |predict: &mut dyn FnMut(&[f64]) -> f64| -> f64 {
                    queries.iter().map(|x| square(predict(x) - dot(&w, x))).sum::<f64>() / Self::QUERIES as f64
                };
                let of_closed = error(&mut |x| dot(&estimate, x));
                let of_layers: f64 =
                    layers.iter().map(|layer| error(&mut |x| layer.predict(&prompt, x, &mut scratch))).sum();
                errors.push((of_closed, of_layers / layers.len() as f64));
            }
            watch.step()?;
            Ok(errors)
        };
        let all = (0..self.gaussian_prompts).into_par_iter().map(prompt).collect::<Result<Vec<_>, Failed>>()?;
        let point = |at: usize| {
            let (closed_mean, closed_error) = mean_and_error(all.iter().map(|errors| errors[at].0));
            let (trained, trained_error) = mean_and_error(all.iter().map(|errors| errors[at].1));
            Gaussian {
                exact: closed.gaussian_error(self.pairs[at]),
                closed: closed_mean,
                closed_error,
                trained,
                trained_error,
            }
        };
        Ok((0..self.pairs.len()).map(point).collect())
    }

    /// One MDP: every prompt, number of pairs and estimate.
    fn task(&self, closed: &ClosedForm, layers: &[Layer], index: usize, watch: &Watch) -> Result<Task, Failed> {
        let mdp =
            LinearMdp::draw(self.shape, closed.lambda(), Key::named(self.seed, &["theory", "task"], &[index as u64]));
        let plan = planning::best(&mdp);
        let parts = Parts::new(&mdp, &plan, closed);
        let bench = Bench { mdp: &mdp, plan: &plan, leverage: parts.leverage() };
        let mut scratch = Scratch::new(self.shape.dimension);
        let mut acted = vec![(Acted::default(), Acted::default()); self.pairs.len()];
        for number in 0..self.prompts {
            let key = Key::named(self.seed, &["theory", "prompt"], &[index as u64, number as u64]);
            let mut counts = vec![vec![0_usize; self.shape.pairs()]; self.shape.horizon];
            let mut drawn = 0;
            for (at, &pairs) in self.pairs.iter().enumerate() {
                watch.ask()?;
                counts.iter_mut().enumerate().for_each(|(stage, counts)| draw_pairs(key, stage, drawn..pairs, counts));
                drawn = pairs;
                let prompts: Vec<Prompt> =
                    counts.iter().zip(&plan.q).map(|(counts, labels)| prompt_of(&mdp, counts, labels)).collect();
                let share = 1.0 / self.prompts as f64;
                let by = |predict: &mut dyn FnMut(&Prompt) -> Vec<f64>| {
                    bench.act(&prompts.iter().map(predict).collect::<Vec<_>>())
                };
                let by_closed = by(&mut |prompt| {
                    let weights = closed.weights(prompt.correlation(), pairs);
                    mdp.features.chunks_exact(self.shape.dimension).map(|x| dot(x, &weights)).collect()
                });
                acted[at].0.add(&by_closed, share);
                for layer in layers {
                    let by_layer = by(&mut |prompt| {
                        mdp.features
                            .chunks_exact(self.shape.dimension)
                            .map(|x| layer.predict(prompt, x, &mut scratch))
                            .collect()
                    });
                    acted[at].1.add(&by_layer, share / layers.len() as f64);
                }
            }
            watch.step()?;
        }
        let point = |(&pairs, (closed, trained)): (&usize, (Acted, Acted))| Point {
            exact: parts.error(pairs),
            bound: parts.bound(pairs),
            closed,
            trained,
        };
        Ok(Task {
            optimal: plan.value,
            random: planning::random_value(&mdp),
            worst: planning::worst(&mdp).value,
            leverage: parts.leverage(),
            points: self.pairs.iter().zip(acted).map(point).collect(),
        })
    }
}

/// An MDP in which estimates act.
struct Bench<'a> {
    mdp: &'a LinearMdp,
    plan: &'a Plan,
    leverage: f64,
}

impl Bench<'_> {
    /// Acts greedily on an estimate, a list a stage.
    fn act(&self, estimate: &[Vec<f64>]) -> Acted {
        let Shape { actions, horizon, .. } = self.mdp.shape;
        let policy: Vec<Vec<usize>> = estimate.iter().map(|q| planning::greedy(q, actions)).collect();
        let occupancy = planning::occupancy(self.mdp, &policy);
        let mut acted =
            Acted { loss: self.plan.value - planning::value(self.mdp, &policy, &occupancy), ..Acted::default() };
        let share = 1.0 / horizon as f64;
        for stage in 0..horizon {
            let errors: Vec<f64> =
                estimate[stage].iter().zip(&self.plan.q[stage]).map(|(estimate, q)| estimate - q).collect();
            let squares = |errors: &[f64]| dot(errors, errors) / errors.len() as f64;
            let training = squares(&errors);
            acted.error_training += share * training;
            acted.realised += self.leverage * training.sqrt();
            for (s, likely) in occupancy[stage].iter().enumerate() {
                let of = &errors[s * actions..][..actions];
                let (taken, best) = (of[policy[stage][s]], of[self.plan.actions[stage][s]]);
                acted.advantage += likely * (taken - best);
                acted.error_states += share * likely * squares(of);
                acted.error_policy += share * likely * taken * taken;
                acted.optimism += share * likely * taken;
            }
        }
        acted
    }
}

/// Counts pairs `range` of a stage's prompt, each drawn uniformly.
fn draw_pairs(key: Key, stage: usize, range: std::ops::Range<usize>, counts: &mut [usize]) {
    let mut block = ([0; 4], usize::MAX);
    for i in range {
        if block.1 != i / 4 {
            block = (key.block(stage as u64, (i / 4) as u32, 0), i / 4);
        }
        counts[(unit32(block.0[i % 4]) * counts.len() as f64) as usize] += 1;
    }
}

fn prompt_of(mdp: &LinearMdp, counts: &[usize], labels: &[f64]) -> Prompt {
    let mut prompt = Prompt::new(mdp.shape.dimension);
    for (pair, &times) in counts.iter().enumerate() {
        if times > 0 {
            prompt.add(mdp.feature(pair), labels[pair], times);
        }
    }
    prompt
}

fn closeness(closed: &ClosedForm, layer: &Layer) -> Trained {
    let d = closed.gamma().len();
    let a = layer.effective();
    let exact: Vec<f64> =
        (0..d * d).map(|at| if at / d == at % d { 1.0 / closed.gamma()[at / d] } else { 0.0 }).collect();
    let apart: Vec<f64> = a.iter().zip(&exact).map(|(a, e)| a - e).collect();
    let least = closed.population_loss(&exact);
    let (stray_value, stray_key_query) = layer.stray();
    Trained {
        distance: norm(&apart) / norm(&exact),
        excess: closed.population_loss(&a) / least - 1.0,
        stray_value,
        stray_key_query,
    }
}

fn mean_and_error(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.map(|value| square(value - mean)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}

/// What is told of measuring.
struct Watch<'a> {
    hook: &'a Hook<'a>,
    done: AtomicUsize,
    total: usize,
}

impl Watch<'_> {
    /// One prompt more is done.
    fn step(&self) -> Result<(), Failed> {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.ask()
    }

    /// Whether to go on.
    fn ask(&self) -> Result<(), Failed> {
        match (self.hook)(Progress { done: self.done.load(Ordering::Relaxed), total: self.total, phase: "measure" }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Failed::Cancelled),
        }
    }
}
