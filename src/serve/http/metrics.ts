// What a server counts, for Prometheus.
import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import type { Logger } from 'pino';
import { native } from '../../native.js';
import type { Place, Watcher } from '../service.js';
import { CellCounter, CellHistogram } from './cells.js';

/** Seconds: from a tenth of a millisecond to ten seconds. */
const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** Decisions in a batch. */
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128];

/** What tells apart what is of a policy. */
const PLACE = ['policy', 'variant'];

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
  readonly #started = new CellCounter('tiresias_sessions_started_total', 'Sessions started.', PLACE, this.registry);
  readonly #decisions = new CellCounter('tiresias_decisions_total', 'Decisions made.', PLACE, this.registry);
  readonly #decisionSeconds = new CellHistogram('tiresias_decision_seconds', 'Time from asking for a decision, or a batch of them, to having it, waiting included.', PLACE, SECONDS, this.registry);
  readonly #observations = new CellCounter('tiresias_observations_total', 'Observations that moved a belief.', PLACE, this.registry);
  readonly #impossible = new CellCounter('tiresias_impossible_observations_total', 'Observations that the belief had ruled out, by what became of them.', [...PLACE, 'outcome'], this.registry);
  readonly #requests = new CellHistogram('tiresias_request_seconds', 'Time from receiving a request to having answered it.', ['method', 'route', 'status'], SECONDS, this.registry);
  readonly #batches = new CellHistogram('tiresias_decider_batch_size', 'Decisions of a language model that went to its process together.', PLACE, SIZES, this.registry);
  readonly #deaths = new CellCounter('tiresias_decider_restarts_total', 'Processes of language models that died and were started again.', PLACE, this.registry);
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

  started({ policy, variant }: Place): void {
    this.#started.add(1, policy, variant);
  }

  decided({ policy, variant }: Place, decisions: number, seconds: number): void {
    this.#decisions.add(decisions, policy, variant);
    this.#decisionSeconds.observe(seconds, policy, variant);
  }

  observed({ policy, variant }: Place): void {
    this.#observations.add(1, policy, variant);
  }

  impossible({ policy, variant }: Place, outcome: 'refused' | 'reset'): void {
    this.#impossible.add(1, policy, variant, outcome);
  }

  batched({ policy, variant }: Place, size: number): void {
    this.#batches.observe(size, policy, variant);
  }

  died({ policy, variant }: Place, error: unknown): void {
    this.#deaths.add(1, policy, variant);
    this.#log.error({ err: error, policy, variant }, 'a decider died and is started again');
  }

  /** An answer. `route` is the pattern, not the path, so that there are few. */
  answered(method: string, route: string, status: number, seconds: number): void {
    this.#requests.observe(seconds, method, route, status);
  }
}
