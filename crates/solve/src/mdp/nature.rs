//! Nature's answer to an action: the distribution of an ambiguity set under which the next values are worth least, or most.
//!
//! Both kinds of set are boxes that the simplex cuts: every probability has a ceiling and a floor. Least mean: start at the ceilings,
//! which sum to more than 1, and take the excess away where the next state is worth most (Givan, Leach, Dean 2000, for intervals;
//! Petrik & Subramanian 2014 and Ho, Petrik, Wiesemann 2018 for L1 balls, whose worst distribution gains probability in one state only:
//! the least one, whose ceiling is raised by half the radius). O(n log n) for a row of n successors, O(n) when few are drained.

use tiresias_model::{Ambiguity, Kernel, Model, Reward, Support};

/// Drained columns that are looked for one at a time; sorting the rest costs less when there are more.
const PICKS: usize = 8;

/// Which end of the mean nature seeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Least,
    Greatest,
}

impl End {
    fn sign(self) -> f64 {
        if self == Self::Least { 1.0 } else { -1.0 }
    }
}

/// Room for one row, kept between rows.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Next states, and nature's distribution over them.
    pub columns: Vec<u32>,
    pub p: Vec<f64>,
    /// What each next state is worth to nature: less is better.
    cost: Vec<f64>,
    floor: Vec<f64>,
    order: Vec<u32>,
}

/// Nature, facing given next values.
pub(crate) struct Nature<'a> {
    model: &'a Model,
    ambiguity: &'a Ambiguity,
    /// What a transition pays, where that is not known from state and action.
    pays: Option<&'a Kernel>,
    next: &'a [f64],
    /// The states of the least and of the greatest next value, where any state may be made likelier.
    extremes: [usize; 2],
}

impl<'a> Nature<'a> {
    /// `None` for a model without ambiguity sets. O(S) at most.
    pub fn new(model: &'a Model, next: &'a [f64]) -> Option<Self> {
        let ambiguity = model.ambiguity()?;
        let pays = if let Reward::Transition(rows) = model.reward() { Some(rows) } else { None };
        let anywhere = matches!(ambiguity, Ambiguity::L1 { support: Support::All, .. });
        let first = |better: fn(&f64, &f64) -> bool| {
            (1..next.len()).fold(0, |best, s| if better(&next[s], &next[best]) { s } else { best })
        };
        let extremes = if anywhere { [first(f64::lt), first(f64::gt)] } else { [0, 0] };
        Some(Self { model, ambiguity, pays, next, extremes })
    }

    /// The least (or greatest) `Σ_s' p(s') (r(s,a,s') + γ V(s'))` over the ambiguity set of row `a * S + s`.
    #[inline]
    pub fn value(&self, row: usize, end: End, room: &mut Room) -> f64 {
        self.answer(row, end, room);
        let pays = self.pays(row);
        let (columns, p) = (&room.columns, &room.p);
        if pays.is_some() {
            columns.iter().zip(p).fold(0.0, |sum, (&s, p)| sum + p * self.worth(pays, row, s as usize))
        } else {
            // Added in the order of the model without ambiguity, so that a set of one distribution changes no bit.
            let mean = columns.iter().zip(p).fold(0.0, |sum, (&s, p)| sum + p * self.next[s as usize]);
            self.model.expected_reward(0)[row] + self.model.discount() * mean
        }
    }

    /// Nature's distribution for row `a * S + s`, into `room.columns` and `room.p`.
    #[inline]
    pub fn answer(&self, row: usize, end: End, room: &mut Room) {
        let pays = self.pays(row);
        let cost = |s: usize| end.sign() * self.worth(pays, row, s);
        room.p.clear();
        room.floor.clear();
        room.columns.clear();
        room.cost.clear();
        match self.ambiguity {
            Ambiguity::L1 { radius, support } => {
                let (columns, p) = self.model.dynamics()[0].transition.row(row);
                room.columns.extend_from_slice(columns);
                room.p.extend_from_slice(p);
                if radius[row] == 0.0 {
                    return;
                }
                room.cost.extend(columns.iter().map(|&s| cost(s as usize)));
                let likelier = match support {
                    Support::Nominal => first_least(&room.cost),
                    Support::All => self.anywhere(end, pays.is_some(), cost, room),
                };
                let moved = (radius[row] / 2.0).min(1.0 - room.p[likelier]);
                room.p[likelier] += moved;
                room.floor.resize(room.p.len(), 0.0);
                room.drain(moved);
            }
            Ambiguity::Interval { lower, upper } => {
                let (columns, p) = upper.row(row);
                room.columns.extend_from_slice(columns);
                room.p.extend_from_slice(p);
                room.cost.extend(columns.iter().map(|&s| cost(s as usize)));
                // The columns of the lower bounds are among those of the upper ones.
                let mut bounds = lower.pairs(row).peekable();
                for &s in columns {
                    let here = bounds.next_if(|&(column, _)| column == s as usize);
                    room.floor.push(here.map_or(0.0, |(_, p)| p));
                }
                room.drain(p.iter().sum::<f64>() - 1.0);
            }
        }
    }

    /// The cheapest of all states, appended when the nominal row leaves it out.
    fn anywhere(&self, end: End, paid: bool, cost: impl Fn(usize) -> f64, room: &mut Room) -> usize {
        let state = if paid {
            (1..self.next.len()).fold(0, |best, s| if cost(s) < cost(best) { s } else { best })
        } else {
            self.extremes[usize::from(end == End::Greatest)]
        };
        room.columns.binary_search(&(state as u32)).unwrap_or_else(|_| {
            room.columns.push(state as u32);
            room.p.push(0.0);
            room.cost.push(cost(state));
            room.p.len() - 1
        })
    }

    fn pays(&self, row: usize) -> Option<&'a Kernel> {
        self.pays.filter(|_| !self.model.is_terminal(row % self.next.len()))
    }

    #[inline]
    fn worth(&self, pays: Option<&Kernel>, row: usize, s: usize) -> f64 {
        match pays {
            // Reward and discount do not change the order of the next values.
            None => self.next[s],
            Some(rewards) => rewards.get(row, s) + self.model.discount() * self.next[s],
        }
    }
}

impl Room {
    /// Takes `excess` of probability away, from the dearest columns first and from none more than to its floor. Uses up `cost`.
    fn drain(&mut self, excess: f64) {
        let mut left = excess;
        for _ in 0..PICKS {
            if left <= 0.0 {
                return;
            }
            let dearest = first_greatest(&self.cost);
            left -= self.take(dearest, left);
            self.cost[dearest] = f64::NEG_INFINITY;
        }
        if left <= 0.0 {
            return;
        }
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend((0..self.cost.len() as u32).filter(|&i| self.cost[i as usize] > f64::NEG_INFINITY));
        order.sort_by(|&i, &j| self.cost[j as usize].total_cmp(&self.cost[i as usize]));
        for &i in &order {
            left -= self.take(i as usize, left);
            if left <= 0.0 {
                break;
            }
        }
        self.order = order;
    }

    fn take(&mut self, i: usize, left: f64) -> f64 {
        let taken = (self.p[i] - self.floor[i]).clamp(0.0, left);
        self.p[i] -= taken;
        taken
    }
}

fn first_least(costs: &[f64]) -> usize {
    (1..costs.len()).fold(0, |best, i| if costs[i] < costs[best] { i } else { best })
}

fn first_greatest(costs: &[f64]) -> usize {
    (1..costs.len()).fold(0, |best, i| if costs[i] > costs[best] { i } else { best })
}
