//! The regular triangulation of a simplex with one, two or three corners.

/// `[f(0), f(1), f(2)]`. An array's own `map` is not always inlined.
#[expect(clippy::inline_always, reason = "a call costs several times what is done inside")]
#[inline(always)]
pub(crate) fn three<T>(f: impl Fn(usize) -> T) -> [T; 3] {
    [f(0), f(1), f(2)]
}

/// `[f(0), f(1), f(2), f(3)]`.
#[expect(clippy::inline_always, reason = "a call costs several times what is done inside")]
#[inline(always)]
pub(crate) fn four<T>(f: impl Fn(usize) -> T) -> [T; 4] {
    [f(0), f(1), f(2), f(3)]
}

/// The triangulation of a simplex with `corners` corners whose edges are cut into `divisions` equal parts.
///
/// Vertices are the points with coordinates `(i, j, l) / n`, `i + j + l = n`. Cells are the triangles between neighbours, cut by
/// the lines on which a coordinate is a multiple of `1/n`: the fractions of the coordinates are the weights of a point's
/// cell, directly in an upright triangle, as their complements in an inverted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lattice {
    pub corners: usize,
    pub divisions: usize,
}

/// A point as a mixture of the vertices of its cell; weights may carry the mass of an unnormalised point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    pub vertex: [u32; 3],
    pub weight: [f64; 3],
}

/// A cell: three vertices and three edges, or two vertices and one edge with the last entry repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub vertices: [u32; 3],
    pub edges: [u32; 3],
}

/// The cells of a lattice and the edges between neighbouring vertices, each listed once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topology {
    pub cells: Vec<Cell>,
    pub edges: Vec<[u32; 2]>,
}

impl Lattice {
    /// Number of vertices.
    pub fn vertices(self) -> usize {
        let n = self.divisions;
        match self.corners {
            1 => 1,
            2 => n + 1,
            _ => (n + 1) * (n + 2) / 2,
        }
    }

    /// Number of the vertex with second coordinate `j` and third coordinate `l`.
    #[inline]
    pub fn vertex(self, j: usize, l: usize) -> u32 {
        (l * (2 * self.divisions + 3 - l) / 2 + j) as u32
    }

    /// Integer coordinates of all vertices, by number; they sum to `divisions`.
    pub fn coordinates(self) -> Vec<[usize; 3]> {
        let n = self.divisions;
        match self.corners {
            1 => vec![[n, 0, 0]],
            2 => (0..=n).map(|j| [n - j, j, 0]).collect(),
            _ => (0..=n).flat_map(|l| (0..=n - l).map(move |j| [n - j - l, j, l])).collect(),
        }
    }

    /// The cells with their edges. O(n²).
    pub fn topology(self) -> Topology {
        let n = self.divisions;
        let mut out = Topology::default();
        match self.corners {
            1 => {}
            2 => {
                for j in 0..n as u32 {
                    out.edges.push([j, j + 1]);
                    out.cells.push(Cell { vertices: [j, j + 1, j + 1], edges: [j; 3] });
                }
            }
            _ => {
                // Edges by their upright triangle: along j, along l, and across.
                let mut along = vec![[0_u32; 3]; self.vertices()];
                for (l, j) in (0..n).flat_map(|l| (0..n - l).map(move |j| (l, j))) {
                    let corners = [self.vertex(j, l), self.vertex(j + 1, l), self.vertex(j, l + 1)];
                    let first = out.edges.len() as u32;
                    along[corners[0] as usize] = [first, first + 1, first + 2];
                    out.edges.extend([[corners[0], corners[1]], [corners[0], corners[2]], [corners[1], corners[2]]]);
                    out.cells.push(Cell { vertices: corners, edges: [first, first + 1, first + 2] });
                }
                for (l, j) in (0..n).flat_map(|l| (0..(n - l).saturating_sub(1)).map(move |j| (l, j))) {
                    // An inverted triangle shares its edges with the upright ones below, to the right and above.
                    let [below, right, above] = [self.vertex(j, l), self.vertex(j + 1, l), self.vertex(j, l + 1)];
                    let edges = [along[below as usize][2], along[right as usize][1], along[above as usize][0]];
                    out.cells.push(Cell { vertices: [right, self.vertex(j + 1, l + 1), above], edges });
                }
            }
        }
        out
    }

    /// The cell and weights of the point with non-negative coordinates `y`, not all zero; the weights sum to `Σ y`.
    /// Coordinates beyond `corners` must be 0.
    #[inline]
    pub fn place(self, y: [f64; 3]) -> Place {
        let mass = y[0] + y[1] + y[2];
        let n = self.divisions;
        let scale = n as f64 / mass;
        match self.corners {
            1 => Place { vertex: [0; 3], weight: [mass, 0.0, 0.0] },
            2 => {
                let x = (y[1] * scale).min(n as f64);
                let j = (x as usize).min(n - 1);
                let high = (x - j as f64) * mass;
                Place { vertex: [j as u32, j as u32 + 1, j as u32], weight: [mass - high, high, 0.0] }
            }
            _ => self.place_in_triangle(y, mass, scale),
        }
    }

    #[inline]
    fn place_in_triangle(self, y: [f64; 3], mass: f64, scale: f64) -> Place {
        let n = self.divisions;
        let (x, z) = ((y[1] * scale).min(n as f64), (y[2] * scale).min(n as f64));
        let (j, l) = (x as usize, z as usize);
        let (p, q) = (x - j as f64, z - l as f64);
        // The first coordinate is what the others leave, so that the three fractions agree to the last bit.
        if j + l >= n {
            // On the far edge, perhaps beyond it by rounding: the nearest vertex.
            let l = l.min(n);
            let j = j.min(n - l);
            let v = self.vertex(j, l);
            return Place { vertex: [v; 3], weight: [mass, 0.0, 0.0] };
        }
        let base = self.vertex(j, l);
        let above = self.vertex(j, l + 1);
        let rest = 1.0 - p - q;
        if rest >= 0.0 || j + l + 1 >= n {
            let rest = rest.max(0.0);
            let sum = rest + p + q;
            let unit = mass / sum;
            Place { vertex: [base, base + 1, above], weight: [rest * unit, p * unit, q * unit] }
        } else {
            Place { vertex: [base + 1, above + 1, above], weight: [(1.0 - q) * mass, -rest * mass, (1.0 - p) * mass] }
        }
    }
}
