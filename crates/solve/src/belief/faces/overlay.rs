//! Where a function that is linear on the target's cells can leave its interpolant over the image of a source cell.
//!
//! Over the image of a cell, the interpolant uses the function's values at the images of the cell's corners. The difference is
//! piecewise linear, so it is extremal where the target's cell lines cross the image's edges and at the target's vertices inside
//! the image. These points, seen from the source cell, are the same at every stage.

use super::geometry::{Face, Geometry, place};
use super::lattice::Place;

/// One point of an overlay: its place on the target face, and its weights on the source cell's corners (they sum to 1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crossing {
    pub place: Place,
    pub corners: [f64; 3],
}

/// The crossings of all cells of all faces under all maps.
pub(crate) struct Overlay {
    /// Cells by face, corners numbered within the face.
    pub cells: Vec<Vec<[u32; 3]>>,
    /// First entry of every face in `offsets`.
    pub first: Vec<usize>,
    /// First crossing of (cell, map), over all faces in order, and one past the last.
    pub offsets: Vec<u32>,
    pub crossings: Vec<Crossing>,
}

impl Overlay {
    /// O(cells · maps · crossings of each image).
    pub fn new(geometry: &Geometry) -> Self {
        let n = geometry.divisions;
        let mut out = Self { cells: Vec::new(), first: Vec::new(), offsets: vec![0], crossings: Vec::new() };
        for (f, face) in geometry.faces.iter().enumerate() {
            let lattice = face.lattice(n);
            let coordinates = lattice.coordinates();
            let cells = lattice.cells();
            let corners = face.states.len();
            out.first.push(out.offsets.len() - 1);
            for cell in &cells {
                for map in &geometry.maps[f].maps {
                    let target = map.target as usize;
                    let images =
                        [0, 1, 2].map(|i| map.apply(coordinates[cell[i] as usize].map(|c| c as f64 / n as f64)));
                    let image =
                        Image { images, corners, face: &geometry.faces[target], n, base: geometry.base[target] };
                    image.crossings(&mut out.crossings);
                    out.offsets.push(out.crossings.len() as u32);
                }
            }
            out.cells.push(cells);
        }
        out
    }
}

/// The image of one cell.
struct Image<'a> {
    /// Unnormalised coordinates of the corners' images.
    images: [[f64; 3]; 3],
    /// 2 or 3.
    corners: usize,
    face: &'a Face,
    n: usize,
    base: u32,
}

impl Image<'_> {
    fn crossings(&self, out: &mut Vec<Crossing>) {
        if self.face.states.len() == 1 {
            return;
        }
        let masses = self.images.map(|y| y[0] + y[1] + y[2]);
        let points = [0, 1, 2].map(|i| {
            let scale = if masses[i] > 0.0 { self.n as f64 / masses[i] } else { 0.0 };
            self.images[i].map(|y| y * scale)
        });
        let alive = |i: usize| i < self.corners && masses[i] > 0.0;
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            if alive(i) && alive(j) {
                self.edge(i, j, &points, &masses, out);
            }
        }
        if (0..3).all(alive) && self.face.states.len() == 3 {
            self.inside(&points, &masses, out);
        }
    }

    fn edge(&self, i: usize, j: usize, points: &[[f64; 3]; 3], masses: &[f64; 3], out: &mut Vec<Crossing>) {
        // On a face with two states the lines of both coordinates are the same points.
        let families = if self.face.states.len() == 2 { 1 } else { 3 };
        for c in 0..families {
            let (a, b) = (points[i][c], points[j][c]);
            let (low, high) = (a.min(b), a.max(b));
            let mut line = low.floor() + 1.0;
            while line < high {
                let t = (line - a) / (b - a);
                let mut weights = [0.0; 3];
                (weights[i], weights[j]) = (1.0 - t, t);
                self.push(weights, masses, out);
                line += 1.0;
            }
        }
    }

    fn inside(&self, points: &[[f64; 3]; 3], masses: &[f64; 3], out: &mut Vec<Crossing>) {
        let ([p, q, r], n) = (points, self.n as f64);
        let area = (q[1] - p[1]) * (r[2] - p[2]) - (r[1] - p[1]) * (q[2] - p[2]);
        if area.abs() < 1e-12 {
            // As thin as rounding: its edges say it all.
            return;
        }
        let span = |c: usize| {
            let low = p[c].min(q[c]).min(r[c]).ceil().max(0.0);
            (low, p[c].max(q[c]).max(r[c]).min(n))
        };
        let ((j_low, j_high), (l_low, l_high)) = (span(1), span(2));
        let mut l = l_low;
        while l <= l_high {
            let mut j = j_low;
            while j <= j_high {
                let second = ((j - p[1]) * (r[2] - p[2]) - (r[1] - p[1]) * (l - p[2])) / area;
                let third = ((q[1] - p[1]) * (l - p[2]) - (j - p[1]) * (q[2] - p[2])) / area;
                let first = 1.0 - second - third;
                if first > 0.0 && second > 0.0 && third > 0.0 {
                    self.push([first, second, third], masses, out);
                }
                j += 1.0;
            }
            l += 1.0;
        }
    }

    /// Adds the point that mixes the *normalised* images by `weights`.
    fn push(&self, weights: [f64; 3], masses: &[f64; 3], out: &mut Vec<Crossing>) {
        let mut corners = [0, 1, 2].map(|i| if weights[i] > 0.0 { weights[i] / masses[i] } else { 0.0 });
        let sum: f64 = corners.iter().sum();
        corners = corners.map(|c| c / sum);
        let y = [0, 1, 2].map(|c| (0..3).map(|i| corners[i] * self.images[i][c]).sum());
        out.push(Crossing { place: place(self.face, self.n, self.base, y), corners });
    }
}
