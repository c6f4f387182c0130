// Counters and histograms whose numbers are found without putting a key together: prom-client does so for every count, which costs a request more than
// its decision does.
import type { Metric, Registry } from 'prom-client';

type Label = string | number;

/** What prom-client writes. */
interface Value {
  labels: Record<string, Label>;
  value: number;
  metricName?: string;
}

/** What counters and histograms have in common: for each combination of labels a row of numbers, in a tree of maps that has a level for each label. */
abstract class Cells {
  readonly #root = new Map<Label, unknown>();
  readonly #rows: { labels: Record<string, Label>; row: number[] }[] = [];

  constructor(readonly type: 'counter' | 'histogram', readonly name: string, readonly help: string, readonly labelNames: readonly string[], readonly width: number, registry: Registry) {
    registry.registerMetric(this as unknown as Metric);
  }

  /** The numbers of a combination of labels, given in the order of their names. */
  protected row(labels: readonly Label[]): number[] {
    let level = this.#root;
    const last = labels.length - 1;
    for (let i = 0; i < last; i++) {
      let next = level.get(labels[i]!) as Map<Label, unknown> | undefined;
      if (!next) level.set(labels[i]!, (next = new Map()));
      level = next;
    }
    let row = level.get(labels[last]!) as number[] | undefined;
    if (!row) {
      level.set(labels[last]!, (row = Array.from({ length: this.width }, () => 0)));
      this.#rows.push({ labels: Object.fromEntries(this.labelNames.map((name, i) => [name, labels[i]!])), row });
    }
    return row;
  }

  /** What a row says. */
  protected abstract values(labels: Record<string, Label>, row: readonly number[]): Value[];

  /** For the registry. */
  async get(): Promise<{ name: string; help: string; type: string; values: Value[]; aggregator: 'sum' }> {
    return { name: this.name, help: this.help, type: this.type, values: this.#rows.flatMap(({ labels, row }) => this.values(labels, row)), aggregator: 'sum' };
  }
}

/** What is counted. */
export class CellCounter extends Cells {
  constructor(name: string, help: string, labelNames: readonly string[], registry: Registry) {
    super('counter', name, help, labelNames, 1, registry);
  }

  /** Counts `n` more. */
  add(n: number, ...labels: Label[]): void {
    this.row(labels)[0]! += n;
  }

  protected values(labels: Record<string, Label>, [value]: readonly number[]): Value[] {
    return [{ labels, value: value! }];
  }
}

/** What is measured: how many values are at most each bound, how many there are in all, and their sum. */
export class CellHistogram extends Cells {
  readonly #bounds: readonly number[];

  constructor(name: string, help: string, labelNames: readonly string[], bounds: readonly number[], registry: Registry) {
    super('histogram', name, help, labelNames, bounds.length + 2, registry);
    this.#bounds = bounds;
  }

  /** Takes a value. */
  observe(value: number, ...labels: Label[]): void {
    const row = this.row(labels);
    const bounds = this.#bounds;
    let i = 0;
    while (i < bounds.length && value > bounds[i]!) i++;
    row[i]! += 1;
    row[bounds.length + 1]! += value;
  }

  protected values(labels: Record<string, Label>, row: readonly number[]): Value[] {
    let count = 0;
    const buckets = [...this.#bounds, '+Inf'].map((le, i) => ({ labels: { le, ...labels }, value: (count += row[i]!), metricName: `${this.name}_bucket` }));
    return [...buckets, { labels, value: row[this.#bounds.length + 1]!, metricName: `${this.name}_sum` }, { labels, value: count, metricName: `${this.name}_count` }];
  }
}
