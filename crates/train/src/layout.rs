//! Where the named tensors of a network lie in one flat vector of parameters, and that vector as a safetensors file.

use std::ops::Range;

use candle_core::{DType, Device};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::error::{Error, Result};

/// One tensor of a network.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its name in the file.
    pub name: String,
    /// Its dimensions: rows and columns, or the length of a vector.
    pub dims: Vec<usize>,
    /// Where it lies in the vector of parameters.
    pub at: Range<usize>,
}

/// All tensors of a network, one after another.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    tensors: Vec<Tensor>,
}

impl Layout {
    /// Appends a tensor and tells where it lies.
    pub fn add(&mut self, name: String, dims: Vec<usize>) -> Range<usize> {
        let start = self.parameters();
        let at = start..start + dims.iter().product::<usize>();
        self.tensors.push(Tensor { name, dims, at: at.clone() });
        at
    }

    /// All tensors, in the order of the vector.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.tensors.last().map_or(0, |t| t.at.end)
    }

    /// The contents of a safetensors file with these parameters.
    pub fn safetensors(&self, parameters: &[f32]) -> Result<Vec<u8>> {
        let bytes: Vec<u8> = parameters.iter().flat_map(|x| x.to_le_bytes()).collect();
        let fail = |e: &dyn std::fmt::Display| Error::Internal(format!("cannot serialise the network: {e}"));
        let view = |t: &Tensor| {
            let view = TensorView::new(Dtype::F32, t.dims.clone(), &bytes[4 * t.at.start..4 * t.at.end]);
            view.map(|view| (t.name.clone(), view)).map_err(|e| fail(&e))
        };
        let tensors = self.tensors.iter().map(view).collect::<Result<Vec<_>>>()?;
        safetensors::serialize(tensors, Some([("format".to_owned(), "pt".to_owned())].into())).map_err(|e| fail(&e))
    }

    /// The parameters in a safetensors file with exactly this layout's names and shapes.
    pub fn parse(&self, bytes: &[u8]) -> std::result::Result<Vec<f32>, String> {
        let mut found =
            candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(|e| format!("not readable: {e}"))?;
        let mut parameters = vec![0.0; self.parameters()];
        for Tensor { name, dims, at } in &self.tensors {
            let tensor = found.remove(name).ok_or_else(|| format!("has no tensor `{name}`"))?;
            if tensor.dims() != dims {
                return Err(format!("tensor `{name}` is {:?}, but must be {dims:?}", tensor.dims()));
            }
            let values = tensor.to_dtype(DType::F32).and_then(|t| t.flatten_all()?.to_vec1::<f32>());
            parameters[at.clone()].copy_from_slice(&values.map_err(|e| format!("tensor `{name}`: {e}"))?);
        }
        match found.keys().min() {
            None => Ok(parameters),
            Some(name) => Err(format!("has a tensor `{name}` that the architecture does not call for")),
        }
    }
}
