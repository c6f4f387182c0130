//! Where a function that is linear on the target's cells can leave its interpolant over the image of a source cell.
//!
//! Over the image of a cell, the interpolant uses the function's values at the images of the cell's corners. The difference is
//! piecewise linear, so it is extremal where the target's cell lines cross the image's edges and at the target's vertices inside
//! the image. These points, seen from the source cell, are the same at every stage. Two cells share what lies on their edge.

use super::geometry::{Face, Geometry, place};
use super::lattice::{Lattice, Place, Topology, three};
use crate::limits::{Late, Watch};

/// One point of an overlay: its place on the target face, and its weights on the corners of the source cell or edge (they sum to 1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crossing {
    pub place: Place,
    pub corners: [f64; 3],
}

/// Crossings by face, then edge or cell, then map.
#[derive(Debug, Default)]
pub(crate) struct Crossings {
    /// First entry of every face in `offsets`.
    first: Vec<usize>,
    /// First crossing of (edge or cell, map), over all faces in order, and one past the last.
    offsets: Vec<u32>,
    all: Vec<Crossing>,
}

impl Crossings {
    /// The crossings of entry `number = (edge or cell) * maps + map` of a face.
    #[inline]
    pub fn of(&self, face: usize, number: usize) -> &[Crossing] {
        let at = self.first[face] + number;
        &self.all[self.offsets[at] as usize..self.offsets[at + 1] as usize]
    }

    fn start_face(&mut self) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.first.push(self.offsets.len() - 1);
    }

    /// Returns the crossings of the entry.
    fn end_entry(&mut self) -> usize {
        let before = self.offsets[self.offsets.len() - 1] as usize;
        self.offsets.push(self.all.len() as u32);
        self.all.len() - before
    }
}

/// The crossings of all edges and insides of all faces' cells under all maps.
pub(crate) struct Overlay {
    /// The lattices' cells and edges, by number of corners less one: all faces with as many corners share them.
    topologies: [Topology; 3],
    pub on_edges: Crossings,
    pub inside: Crossings,
}

impl Overlay {
    /// O(cells · maps · crossings of each image).
    pub fn new(geometry: &Geometry, watch: &Watch) -> Result<Self, Late> {
        let n = geometry.divisions;
        let lattice = |corners: usize| Lattice { corners, divisions: n };
        let topologies = [1, 2, 3].map(|corners| lattice(corners).topology());
        let (mut on_edges, mut inside) = (Crossings::default(), Crossings::default());
        let mut images: Vec<[f64; 3]> = Vec::new();
        for (f, face) in geometry.faces.iter().enumerate() {
            let corners = face.states.len();
            let (topology, maps) = (&topologies[corners - 1], &geometry.maps[f].maps);
            images.clear();
            for c in lattice(corners).coordinates() {
                images.extend(maps.iter().map(|map| map.apply(c.map(|i| i as f64 / n as f64))));
            }
            let image = |e: usize, vertices: [u32; 3]| {
                let target = maps[e].target as usize;
                let images = vertices.map(|v| images[v as usize * maps.len() + e]);
                Image::new(images, &geometry.faces[target], n, geometry.base[target])
            };
            on_edges.start_face();
            for &[u, v] in &topology.edges {
                for e in 0..maps.len() {
                    image(e, [u, v, v]).edge(&mut on_edges.all);
                    watch.spend(4 + 8 * on_edges.end_entry())?;
                }
            }
            inside.start_face();
            if corners == 3 {
                for cell in &topology.cells {
                    for e in 0..maps.len() {
                        image(e, cell.vertices).inside(&mut inside.all);
                        watch.spend(4 + 8 * inside.end_entry())?;
                    }
                }
            }
        }
        Ok(Self { topologies, on_edges, inside })
    }

    /// Cells and edges of a face with `corners` corners.
    pub fn topology(&self, corners: usize) -> &Topology {
        &self.topologies[corners - 1]
    }
}

/// The image of one cell or edge.
struct Image<'a> {
    /// Unnormalised coordinates of the corners' images.
    images: [[f64; 3]; 3],
    masses: [f64; 3],
    /// The images in lattice coordinates, which sum to the number of divisions.
    points: [[f64; 3]; 3],
    face: &'a Face,
    n: usize,
    base: u32,
}

impl<'a> Image<'a> {
    fn new(images: [[f64; 3]; 3], face: &'a Face, n: usize, base: u32) -> Self {
        let masses = images.map(|y| y[0] + y[1] + y[2]);
        let points = three(|i| {
            let scale = if masses[i] > 0.0 { n as f64 / masses[i] } else { 0.0 };
            images[i].map(|y| y * scale)
        });
        Self { images, masses, points, face, n, base }
    }

    /// Where the target's cell lines cross the edge from the first corner's image to the second's.
    fn edge(&self, out: &mut Vec<Crossing>) {
        if self.masses[0] <= 0.0 || self.masses[1] <= 0.0 {
            return;
        }
        // On a face with two states the lines of both coordinates are the same points; on a single state there are none.
        let families = [0, 1, 3][self.face.states.len() - 1];
        for c in 0..families {
            let (a, b) = (self.points[0][c], self.points[1][c]);
            let (low, high) = (a.min(b), a.max(b));
            let mut line = low.floor() + 1.0;
            // Ends: a coordinate lies between 0 and the divisions.
            while line < high {
                let t = (line - a) / (b - a);
                self.push([1.0 - t, t, 0.0], out);
                line += 1.0;
            }
        }
    }

    /// The target's vertices inside the triangle of the corners' images.
    fn inside(&self, out: &mut Vec<Crossing>) {
        if self.face.states.len() < 3 || self.masses.iter().any(|m| *m <= 0.0) {
            return;
        }
        let ([p, q, r], n) = (&self.points, self.n as f64);
        let span = |c: usize| {
            let low = p[c].min(q[c]).min(r[c]).ceil().max(0.0);
            (low, p[c].max(q[c]).max(r[c]).min(n))
        };
        let ((j_low, j_high), (l_low, l_high)) = (span(1), span(2));
        let area = (q[1] - p[1]) * (r[2] - p[2]) - (r[1] - p[1]) * (q[2] - p[2]);
        if j_low > j_high || area.abs() < 1e-12 {
            // No column of vertices between the sides; or a triangle as thin as rounding, whose edges say it all.
            return;
        }
        let mut l = l_low;
        // Ends: both coordinates lie between 0 and the divisions.
        while l <= l_high {
            let mut j = j_low;
            // Ends: see above.
            while j <= j_high {
                let second = ((j - p[1]) * (r[2] - p[2]) - (r[1] - p[1]) * (l - p[2])) / area;
                let third = ((q[1] - p[1]) * (l - p[2]) - (j - p[1]) * (q[2] - p[2])) / area;
                let first = 1.0 - second - third;
                if first > 0.0 && second > 0.0 && third > 0.0 {
                    self.push([first, second, third], out);
                }
                j += 1.0;
            }
            l += 1.0;
        }
    }

    /// Adds the point that mixes the *normalised* images by `weights`.
    fn push(&self, weights: [f64; 3], out: &mut Vec<Crossing>) {
        let mut corners = three(|i| if weights[i] > 0.0 { weights[i] / self.masses[i] } else { 0.0 });
        let sum: f64 = corners.iter().sum();
        corners = corners.map(|c| c / sum);
        let y = three(|c| (0..3).map(|i| corners[i] * self.images[i][c]).sum());
        out.push(Crossing { place: place(self.face, self.n, self.base, y), corners });
    }
}
