// What native.ts adds to the addon's classes beside what they declare themselves.
/// <reference lib="esnext.disposable" preserve="true" />

declare module '../native/index.cjs' {
  interface AlphaPolicy extends Native {}
  interface BeliefBatch extends Native {}
  interface BeliefTracker extends Native {}
  interface DrawnTask extends Native {}
  interface Encoder extends Native {}
  interface Environments extends Native {}
  interface Episodes extends Native {}
  interface ExampleSource extends Native {}
  interface LabelledRecords extends Native {}
  interface LoadedModel extends Native {}
  interface Model extends Native {}
  interface Solution extends Native {}
  interface SolvedBatch extends Native {}
  interface Tokenizer extends Native {}
}

/** An object whose memory is native. It cannot be cloned into a worker thread: send what it was made of (`Model.toJson()`, `Solution.savePolicy()`). */
export interface Native extends Disposable {
  /** For JSON.stringify: the JSON document of a model, the properties of anything else. */
  toJSON(): unknown;
}
