//! Linear MDPs: Jin, Yang, Wang, Jordan, "Provably efficient reinforcement learning with linear function approximation", COLT 2020.

use tiresias_model::random::{Key, Sequence};

use crate::attention::dot;

/// How large a linear MDP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of states.
    pub states: usize,
    /// Number of actions.
    pub actions: usize,
    /// Number of features.
    pub dimension: usize,
    /// Decisions an episode.
    pub horizon: usize,
}

impl Shape {
    /// Number of state-action pairs. Pair `s * actions + a` is action a in state s, here and in every list of them.
    pub fn pairs(&self) -> usize {
        self.states * self.actions
    }
}

/// A finite MDP with `P(s'|s,a) = φ(s,a)ᵀ μ(s')` and `r(s,a) = φ(s,a)ᵀ θ`, start uniform, undiscounted.
///
/// It is drawn on the simplex: `p(s,a)` is uniform on it, each `μ_k` is a distribution over states with weights u⁴, u uniform, and `θ_k` is
/// uniform in [-1, 1]. The features are `φ = Λ^½ L⁻¹ p` with `L Lᵀ` the mean of `p pᵀ` over all pairs: any invertible map of the features
/// leaves the MDP linear, and by this one their second moment over uniformly drawn pairs is `Λ`, exactly.
#[derive(Debug, Clone)]
pub struct LinearMdp {
    /// How large it is.
    pub shape: Shape,
    /// φ, a row a pair.
    pub features: Vec<f64>,
    /// P, a row a pair.
    pub transitions: Vec<f64>,
    /// r, a number a pair.
    pub rewards: Vec<f64>,
    lambda: Vec<f64>,
    /// L, row-major.
    root: Vec<f64>,
    /// μ, a row a feature.
    measures: Vec<f64>,
    theta: Vec<f64>,
}

impl LinearMdp {
    /// Draws one; `lambda` is the diagonal of `Λ`.
    pub fn draw(shape: Shape, lambda: &[f64], key: Key) -> Self {
        let Shape { states, dimension: d, .. } = shape;
        let mut draw = key.sequence();
        let simplex: Vec<f64> = (0..shape.pairs()).flat_map(|_| on_simplex(&mut draw, d)).collect();
        let measures: Vec<f64> = (0..d).flat_map(|_| measure(&mut draw, states)).collect();
        let theta: Vec<f64> = (0..d).map(|_| draw.between(-1.0, 1.0)).collect();

        let root = cholesky(&second_moment(&simplex, d), d);
        let features = simplex.chunks_exact(d).flat_map(|p| {
            let mut x = forward_substitute(&root, p);
            x.iter_mut().zip(lambda).for_each(|(x, l)| *x *= l.sqrt());
            x
        });
        let row = |p: &[f64]| -> Vec<f64> {
            (0..states).map(|s| (0..d).map(|k| p[k] * measures[k * states + s]).sum()).collect()
        };
        Self {
            shape,
            features: features.collect(),
            transitions: simplex.chunks_exact(d).flat_map(row).collect(),
            rewards: simplex.chunks_exact(d).map(|p| dot(p, &theta)).collect(),
            lambda: lambda.to_vec(),
            root,
            measures,
            theta,
        }
    }

    /// φ(s, a).
    pub fn feature(&self, pair: usize) -> &[f64] {
        &self.features[pair * self.shape.dimension..][..self.shape.dimension]
    }

    /// P(· | s, a).
    pub fn transition(&self, pair: usize) -> &[f64] {
        &self.transitions[pair * self.shape.states..][..self.shape.states]
    }

    /// w with `r(s,a) + Σ P(s'|s,a) V(s') = φ(s,a)ᵀ w`: on the simplex it is `θ + Σ μ(s') V(s')`, and `Λ^-½ Lᵀ` takes it to φ's coordinates.
    pub fn weights(&self, next_values: &[f64]) -> Vec<f64> {
        let d = self.shape.dimension;
        let on_simplex: Vec<f64> = self
            .measures
            .chunks_exact(self.shape.states)
            .zip(&self.theta)
            .map(|(mu, theta)| theta + dot(mu, next_values))
            .collect();
        self.to_features(&on_simplex, d)
    }

    /// e with `φ(s,a)ᵀ e = 1` for every pair.
    pub fn level(&self) -> Vec<f64> {
        let d = self.shape.dimension;
        self.to_features(&vec![1.0; d], d)
    }

    fn to_features(&self, w: &[f64], d: usize) -> Vec<f64> {
        (0..d).map(|k| (k..d).map(|i| self.root[i * d + k] * w[i]).sum::<f64>() / self.lambda[k].sqrt()).collect()
    }

    /// The greatest `‖φ(s,a) − φ(s,b)‖` in the norm of `Λ⁻¹` over states and pairs of actions: how much an error of the weights, in the norm
    /// of `Λ`, can tell in a decision.
    pub fn leverage(&self) -> f64 {
        let Shape { states, actions, .. } = self.shape;
        let distance = |x: &[f64], y: &[f64]| -> f64 {
            (0..x.len()).map(|k| (x[k] - y[k]) * (x[k] - y[k]) / self.lambda[k]).sum()
        };
        let of_state = |s: usize| {
            let pair = move |a: usize| self.feature(s * actions + a);
            (0..actions)
                .flat_map(move |a| (0..a).map(move |b| (a, b)))
                .map(|(a, b)| distance(pair(a), pair(b)))
                .fold(0.0, f64::max)
        };
        (0..states).map(of_state).fold(0.0, f64::max).sqrt()
    }
}

/// Uniform on the simplex: exponentials over their sum.
fn on_simplex(draw: &mut Sequence, d: usize) -> Vec<f64> {
    normalised((0..d).map(|_| -libm::log(1.0 - draw.uniform())).collect())
}

fn measure(draw: &mut Sequence, states: usize) -> Vec<f64> {
    normalised((0..states).map(|_| draw.uniform().powi(4)).collect())
}

fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    weights
}

fn second_moment(rows: &[f64], d: usize) -> Vec<f64> {
    let mut moment = vec![0.0; d * d];
    for x in rows.chunks_exact(d) {
        for at in 0..d * d {
            moment[at] += x[at / d] * x[at % d];
        }
    }
    let n = (rows.len() / d) as f64;
    moment.iter_mut().for_each(|m| *m /= n);
    moment
}

/// The lower triangular L with `L Lᵀ` = m, which is positive definite.
fn cholesky(m: &[f64], d: usize) -> Vec<f64> {
    let mut l = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..=i {
            let rest = m[i * d + j] - dot(&l[i * d..][..j], &l[j * d..][..j]);
            l[i * d + j] = if i == j { rest.sqrt() } else { rest / l[j * d + j] };
        }
    }
    l
}

/// `L⁻¹ b`.
fn forward_substitute(l: &[f64], b: &[f64]) -> Vec<f64> {
    let d = b.len();
    let mut x = vec![0.0; d];
    for i in 0..d {
        x[i] = (b[i] - dot(&l[i * d..][..i], &x[..i])) / l[i * d + i];
    }
    x
}
