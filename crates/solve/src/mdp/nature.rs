//! Nature's answer to an action: the distribution of an ambiguity set under which the next values, or whatever its columns cost, are
//! worth least, or most.
//!
//! Both kinds of set are boxes that the simplex cuts: every probability has a ceiling and a floor. Least mean: start at the ceilings,
//! which sum to more than 1, and take the excess away where the next state is worth most (Givan, Leach, Dean 2000, for intervals;
//! Petrik & Subramanian 2014 and Ho, Petrik, Wiesemann 2018 for L1 balls, whose worst distribution gains probability in one state only:
//! the least one, by half the radius). Values come for several rows at once, in at most 16 rounds that each look at the whole row;
//! longer rows that need more are sorted, O(n log n).

use tiresias_model::{Ambiguity, Kernel, Model, Reward, Support};

use super::drain::{LANES, Lane, Rows};

/// Which end of the mean nature seeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Least,
    Greatest,
}

impl End {
    /// Turns what is worth most into what costs least.
    fn sign(self) -> f64 {
        if self == Self::Least { 1.0 } else { -1.0 }
    }
}

/// Room for rows, kept between them.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Next states, and nature's distribution over them.
    pub columns: Vec<u32>,
    pub p: Vec<f64>,
    cost: Vec<f64>,
    floor: Vec<f64>,
    order: Vec<u32>,
    rows: Rows,
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
    arch: pulp::Arch,
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
        Some(Self { model, ambiguity, pays, next, extremes, arch: pulp::Arch::new() })
    }

    /// The least (or greatest) `Σ_s' p(s') (r(s,a,s') + γ V(s'))` over the ambiguity sets of rows `a * S + s`, at most `LANES` of them.
    /// A row's value does not depend on the rows beside it.
    pub fn values(&self, rows: &[usize], end: End, room: &mut Room) -> Lane {
        let Room { rows: side, .. } = room;
        self.fill(rows, end, side);
        let (mut total, left) = self.arch.dispatch(Drained { given: self.given(rows, end), side });
        for (l, &row) in rows.iter().enumerate() {
            if left[l] > 0.0 {
                total[l] = self.sorted(row, end, room);
            }
            // Without rewards of transitions, reward and discount do not change nature's mind, and are added here.
            total[l] *= end.sign();
            if self.pays(row).is_none() {
                total[l] = self.model.expected_reward(0)[row] + self.model.discount() * total[l];
            }
        }
        total
    }

    /// Lays the rows side by side.
    fn fill(&self, rows: &[usize], end: End, side: &mut Rows) {
        let kernel = self.ceilings();
        side.resize(rows.iter().map(|&row| kernel.row(row).0.len()).max().unwrap_or(0));
        for (l, &row) in rows.iter().enumerate().take(LANES) {
            let (columns, p) = kernel.row(row);
            let entries = side.ceiling.iter_mut().zip(&mut side.cost).zip(columns.iter().zip(p));
            match self.pays(row) {
                None => entries.for_each(|((ceiling, cost), (&s, &p))| {
                    (ceiling[l], cost[l]) = (p, end.sign() * self.next[s as usize]);
                }),
                pays => entries.for_each(|((ceiling, cost), (&s, &p))| {
                    (ceiling[l], cost[l]) = (p, end.sign() * self.worth(pays, row, s as usize));
                }),
            }
            for j in columns.len()..side.cost.len() {
                (side.ceiling[j][l], side.cost[j][l]) = (0.0, side.cost[0][l]);
            }
            if let Ambiguity::Interval { lower, .. } = self.ambiguity {
                let floors = floors(lower, row, columns).chain(std::iter::repeat(0.0));
                side.floor.iter_mut().zip(floors).for_each(|(f, floor)| f[l] = floor);
            }
        }
    }

    /// What else the inner problem needs to know of each row.
    fn given(&self, rows: &[usize], end: End) -> Given {
        match self.ambiguity {
            Ambiguity::Interval { .. } => Given::Interval,
            Ambiguity::L1 { radius, support } => {
                let (mut half, mut known) = ([0.0; LANES], [f64::INFINITY; LANES]);
                for (l, &row) in rows.iter().enumerate() {
                    half[l] = radius[row] / 2.0;
                    if *support == Support::All && half[l] > 0.0 {
                        let pays = self.pays(row);
                        known[l] = end.sign() * self.worth(pays, row, self.cheapest(pays, row, end));
                    }
                }
                Given::Ball { half, known }
            }
        }
    }

    /// The total cost of nature's answer to one row.
    fn sorted(&self, row: usize, end: End, room: &mut Room) -> f64 {
        self.answer(row, end, room);
        let pays = self.pays(row);
        let worths = room.columns.iter().map(|&s| self.worth(pays, row, s as usize));
        end.sign() * worths.zip(&room.p).fold(0.0, |sum, (worth, p)| sum + p * worth)
    }

    /// Nature's distribution for row `a * S + s`, into `room.columns` and `room.p`.
    pub fn answer(&self, row: usize, end: End, room: &mut Room) {
        let pays = self.pays(row);
        let cost = |s: usize| end.sign() * self.worth(pays, row, s);
        let nominal = &self.model.dynamics()[0].transition;
        room.answer((self.ambiguity, nominal), row, cost, || self.cheapest(pays, row, end));
    }

    /// The rows that draining starts from.
    fn ceilings(&self) -> &'a Kernel {
        ceilings(self.ambiguity, &self.model.dynamics()[0].transition)
    }

    /// The state that nature would most like to lead to. O(S) where transitions pay.
    fn cheapest(&self, pays: Option<&Kernel>, row: usize, end: End) -> usize {
        if pays.is_none() {
            return self.extremes[usize::from(end == End::Greatest)];
        }
        let cost = |s: usize| end.sign() * self.worth(pays, row, s);
        (1..self.next.len()).fold(0, |best, s| if cost(s) < cost(best) { s } else { best })
    }

    fn pays(&self, row: usize) -> Option<&'a Kernel> {
        self.pays.filter(|_| !self.model.is_terminal(row % self.next.len()))
    }

    #[inline]
    fn worth(&self, pays: Option<&Kernel>, row: usize, s: usize) -> f64 {
        match pays {
            None => self.next[s],
            Some(rewards) => rewards.get(row, s) + self.model.discount() * self.next[s],
        }
    }
}

/// What the inner problem needs beside ceilings, floors and costs.
enum Given {
    /// Half the radius, and the cost of the best state anywhere.
    Ball {
        half: Lane,
        known: Lane,
    },
    Interval,
}

/// The inner problems of some rows. A type of its own and no closure, which would not be compiled for each level of SIMD.
struct Drained<'a> {
    side: &'a Rows,
    given: Given,
}

impl pulp::WithSimd for Drained<'_> {
    type Output = (Lane, Lane);

    /// The total cost of nature's answers, and what is left to drain of those that need more rounds. The same bits at every level.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> (Lane, Lane) {
        let Self { side, given } = self;
        let (mut total, mut left) = (side.total(), [0.0; LANES]);
        match given {
            Given::Interval => {
                let sum = side.sum();
                (0..LANES).for_each(|l| left[l] = sum[l] - 1.0);
                side.drain::<true>(&mut total, &mut left);
            }
            Given::Ball { half, known } => {
                let (least, there) = side.least(known);
                for l in 0..LANES {
                    let most = 1.0 - there[l];
                    let moved = if half[l] < most { half[l] } else { most };
                    left[l] = if moved > 0.0 { moved } else { 0.0 };
                    total[l] += if moved > 0.0 { moved * least[l] } else { 0.0 };
                }
                side.drain::<false>(&mut total, &mut left);
            }
        }
        (total, left)
    }
}

/// The lower bounds of a row at the columns of its upper ones, which include all of its own.
fn floors(lower: &Kernel, row: usize, columns: &[u32]) -> impl Iterator<Item = f64> {
    let mut bounds = lower.pairs(row).peekable();
    columns.iter().map(move |&s| bounds.next_if(|&(column, _)| column == s as usize).map_or(0.0, |(_, p)| p))
}

/// The rows that draining starts from.
fn ceilings<'a>(sets: &'a Ambiguity, nominal: &'a Kernel) -> &'a Kernel {
    match sets {
        Ambiguity::L1 { .. } => nominal,
        Ambiguity::Interval { upper, .. } => upper,
    }
}

impl Room {
    /// The distribution of the set around a row of `nominal` whose mean cost is least, into `columns` and `p`. `cheapest` is the column
    /// of all that costs least; it is asked for only where any may be made likelier.
    pub fn answer(
        &mut self,
        (sets, nominal): (&Ambiguity, &Kernel),
        row: usize,
        cost: impl Fn(usize) -> f64,
        cheapest: impl FnOnce() -> usize,
    ) {
        let (columns, p) = ceilings(sets, nominal).row(row);
        columns.clone_into(&mut self.columns);
        p.clone_into(&mut self.p);
        self.cost.clear();
        self.cost.extend(columns.iter().map(|&column| cost(column as usize)));
        self.floor.clear();
        match sets {
            Ambiguity::L1 { radius, .. } if radius[row] == 0.0 => {}
            Ambiguity::L1 { radius, support } => {
                let likelier = match support {
                    Support::Nominal => {
                        (1..columns.len()).fold(0, |best, j| if self.cost[j] < self.cost[best] { j } else { best })
                    }
                    Support::All => {
                        let column = cheapest();
                        columns.binary_search(&(column as u32)).unwrap_or_else(|_| {
                            self.columns.push(column as u32);
                            self.p.push(0.0);
                            self.cost.push(cost(column));
                            self.p.len() - 1
                        })
                    }
                };
                let moved = (radius[row] / 2.0).min(1.0 - self.p[likelier]);
                self.p[likelier] += moved;
                self.floor.resize(self.p.len(), 0.0);
                self.drain(moved);
            }
            Ambiguity::Interval { lower, .. } => {
                self.floor.extend(floors(lower, row, columns));
                self.drain(p.iter().sum::<f64>() - 1.0);
            }
        }
    }

    /// Takes `excess` of probability away, from the dearest columns first and from none more than to its floor.
    fn drain(&mut self, excess: f64) {
        self.order.clear();
        self.order.extend(0..self.p.len() as u32);
        self.order.sort_by(|&i, &j| self.cost[j as usize].total_cmp(&self.cost[i as usize]));
        let mut left = excess;
        for &i in &self.order {
            let p = &mut self.p[i as usize];
            let taken = left.min(*p - self.floor[i as usize]).max(0.0);
            *p -= taken;
            left -= taken;
        }
    }
}
