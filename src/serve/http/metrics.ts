// What a server counts, for Prometheus.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Logger } from 'pino';
import { native } from '../../native.js';
import type { Place, Watcher } from '../service.js';

/** Seconds: from a tenth of a millisecond to ten seconds. */
const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** Decisions in a batch. */
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128];

/** What is asked when the metrics are read. */
export interface Gauges {
  queued(): number;
  sessions(): Promise<number>;
  storeUp(): Promise<boolean>;
  processes(): (Place & { up: number })[];
}

/** The metrics of one server. */
export class Metrics implements Watcher {
  readonly registry = new Registry();
  readonly #started = new Counter({ name: 'tiresias_sessions_started_total', help: 'Sessions started.', labelNames: ['policy', 'variant'], registers: [this.registry] });
  readonly #decisions = new Counter({ name: 'tiresias_decisions_total', help: 'Decisions made.', labelNames: ['policy', 'variant'], registers: [this.registry] });
  readonly #decisionSeconds = new Histogram({ name: 'tiresias_decision_seconds', help: 'Time from asking for a decision, or a batch of them, to having it, waiting included.', labelNames: ['policy', 'variant'], buckets: SECONDS, registers: [this.registry] });
  readonly #observations = new Counter({ name: 'tiresias_observations_total', help: 'Observations that moved a belief.', labelNames: ['policy', 'variant'], registers: [this.registry] });
  readonly #impossible = new Counter({ name: 'tiresias_impossible_observations_total', help: 'Observations that the belief had ruled out, by what became of them.', labelNames: ['policy', 'variant', 'outcome'], registers: [this.registry] });
  readonly #requests = new Histogram({ name: 'tiresias_request_seconds', help: 'Time from receiving a request to having answered it.', labelNames: ['method', 'route', 'status'], buckets: SECONDS, registers: [this.registry] });
  readonly #batches = new Histogram({ name: 'tiresias_decider_batch_size', help: 'Decisions of a language model that went to its process together.', labelNames: ['policy', 'variant'], buckets: SIZES, registers: [this.registry] });
  readonly #deaths = new Counter({ name: 'tiresias_decider_restarts_total', help: 'Processes of language models that died and were started again.', labelNames: ['policy', 'variant'], registers: [this.registry] });
  readonly #log: Logger;

  constructor(gauges: Gauges, log: Logger) {
    this.#log = log;
    const gauge = (name: string, help: string, read: () => number | Promise<number>) => new Gauge({ name, help, registers: [this.registry], async collect() { this.set(await read()); } });
    gauge('tiresias_queue_length', 'Decisions that wait.', () => gauges.queued());
    gauge('tiresias_native_bytes', 'Bytes that native objects of the library hold, outside of the JavaScript heap.', () => native.tellCollector());
    gauge('tiresias_store_up', 'Whether the store can be used: 1 or 0.', async () => ((await gauges.storeUp()) ? 1 : 0));
    gauge('tiresias_sessions', 'Sessions in the store; NaN while it cannot be used.', () => gauges.sessions().catch(() => Number.NaN));
    new Gauge({
      name: 'tiresias_deciders', help: 'Processes of language models that are there now.', labelNames: ['policy', 'variant'], registers: [this.registry],
      collect() {
        for (const { up, ...place } of gauges.processes()) this.set({ ...place }, up);
      },
    });
    collectDefaultMetrics({ register: this.registry });
  }

  started(place: Place): void {
    this.#started.inc({ ...place });
  }

  decided(place: Place, decisions: number, seconds: number): void {
    this.#decisions.inc({ ...place }, decisions);
    this.#decisionSeconds.observe({ ...place }, seconds);
  }

  observed(place: Place): void {
    this.#observations.inc({ ...place });
  }

  impossible(place: Place, outcome: 'refused' | 'reset'): void {
    this.#impossible.inc({ ...place, outcome });
  }

  batched(place: Place, size: number): void {
    this.#batches.observe({ ...place }, size);
  }

  died(place: Place, error: unknown): void {
    this.#deaths.inc({ ...place });
    this.#log.error({ err: error, ...place }, 'a decider died and is started again');
  }

  /** An answer. `route` is the pattern, not the path, so that there are few. */
  answered(method: string, route: string, status: number, seconds: number): void {
    this.#requests.observe({ method, route, status }, seconds);
  }
}
