import { Option, type Command } from 'commander';
import { readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { Logger } from 'pino';
import { BACKEND_NAMES, type BackendName } from '../backends/index.js';
import { TiresiasError } from '../errors.js';
import { io } from '../files.js';
import type { OnImpossible } from '../serve/session-state.js';
import type { loadPolicy as LoadPolicy } from '../serve/policy.js';
import type { AnyPolicy } from '../serve/servable.js';
import type { Variant } from '../serve/variants.js';
import { integer, invoke, newCommand, threadsOf, type CommonOptions } from './common.js';

interface ServeOptions extends CommonOptions {
  host: string;
  port: number;
  store: string;
  tokenFile?: string;
  insecure?: true;
  maxBody: number;
  maxSessions: number;
  maxQueue: number;
  rate?: number;
  base?: string;
  backend?: BackendName;
  deciders: number;
  onImpossible: OnImpossible;
  lookahead: boolean;
  drainWait: number;
  logLevel: string;
}

/** A policy file as the command line names it. */
interface Named {
  policy: string;
  variant: string;
  file: string;
  /** Of the new sessions; all where none is said. */
  share: number | undefined;
}

/** `NAME=FILE`, or a file or folder, whose name without its suffix is the policy's; `NAME/VARIANT=FILE@SHARE` for one of several. */
function namedFile(argument: string): Named {
  const [, file, share] = /^(.*?)(?:@(\d*\.?\d+))?$/s.exec(argument) as unknown as [string, string, string | undefined];
  const [, policy, variant, path] = /^([A-Za-z0-9._-]+)(?:\/([A-Za-z0-9._-]+))?=(.+)$/s.exec(file) ?? [undefined, undefined, undefined, file];
  const own = basename(path!, extname(path!));
  return { policy: policy ?? own, variant: variant ?? own, file: path!, share: share === undefined ? undefined : Number(share) };
}

/** Policies by name, each with its variants. Several files under one name want to be told apart and to have shares. */
function grouped(files: readonly string[]): Map<string, Named[]> {
  const policies = new Map<string, Named[]>();
  for (const named of files.map(namedFile)) policies.set(named.policy, [...(policies.get(named.policy) ?? []), named]);
  for (const [policy, variants] of policies) {
    const bare = variants.find(({ share }) => share === undefined);
    if (variants.length > 1 && bare) {
      throw new TiresiasError('USAGE', `two policies are called ${policy}; give one another name: NAME=${variants[1]!.file}; or let them share the new sessions: ${variants.map(({ file }, i) => `${policy}=${file}@${i === 0 ? 0.9 : 0.1}`).slice(0, 2).join(' ')}`);
    }
  }
  return policies;
}

async function tokenOf({ tokenFile }: ServeOptions): Promise<string | undefined> {
  const token = tokenFile === undefined ? process.env['TIRESIAS_TOKEN'] : (await io(`read ${tokenFile}`, () => readFile(tokenFile, 'utf8'))).trim();
  if (token === '') throw new TiresiasError('USAGE', 'the token is empty; write one to the file, or leave it out');
  return token;
}

/** What serving takes is installed unless somebody leaves optional packages out. */
async function httpServer() {
  try {
    const [{ makeServer }, { pino }] = await Promise.all([import('../serve/http/server.js'), import('pino')]);
    return { makeServer, pino };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new TiresiasError('SOMETHING_MISSING', `serving needs packages that are not installed (${(cause as Error).message.split('\n', 1)[0]}): install tiresias again without --omit=optional`, { cause });
  }
}

/** A policy that is ready: whatever is wrong with it is known before anybody asks. */
async function loaded(file: string, options: ServeOptions, loadPolicy: typeof LoadPolicy): Promise<AnyPolicy> {
  const { base, backend, deciders } = options;
  const folder = await stat(file).then((found) => found.isDirectory(), () => false);
  if (folder) return loadPolicy(file, { base, backend, deciders, threads: Math.max(1, Math.floor(threadsOf(options) / deciders)) });
  const policy = await loadPolicy(file);
  void policy.solution;
  return policy;
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/;

/** Serves policies over HTTP. */
export function serveCommand(): Command {
  return newCommand('serve', 'serve policies over HTTP, certified ones and language models: sessions, decisions, metrics, and a page at /', [
    'tiresias solve tiger --policy-out tiger.policy --carry-model',
    'tiresias serve tiger.policy --store sqlite:sessions.db',
    'tiresias serve tiger=tiger.policy@0.9 tiger=tiger-new.policy@0.1',
    'tiresias serve tiger.policy adapter=runs/quickstart/train/joint/adapter --deciders 2',
    'TIRESIAS_TOKEN=secret tiresias serve a.policy night=b.policy --host 0.0.0.0 --store redis://localhost:6379',
  ], ['threads'])
    .argument('<policies...>', 'policy files that carry their model (solve --carry-model), and folders of adapters (train); NAME=FILE gives one another name than its file’s, and several of one name share its new sessions: NAME/VARIANT=FILE@SHARE')
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <n>', 'the port; 0 for any that is free', integer(0, 65535), 8080)
    .option('--store <where>', 'where sessions live: memory, sqlite:FILE or redis://HOST:PORT', 'memory')
    .option('--token-file <file>', 'a file with the token that requests must carry; TIRESIAS_TOKEN when absent')
    .option('--insecure', 'serve other machines without a token')
    .option('--max-body <bytes>', 'the largest body of a request', integer(1), 1 << 20)
    .option('--max-sessions <n>', 'the most sessions that the store may hold', integer(1), 100_000)
    .option('--max-queue <n>', 'the most decisions that may wait for one policy', integer(1), 10_000)
    .option('--rate <n>', 'requests a second that one address may make; any number when absent', integer(1))
    .option('--base <file>', 'where the base model of the adapters lies; where it lay when they were trained when absent')
    .addOption(new Option('--backend <name>', 'the program that decides for adapters; the one that trained each when absent').choices([...BACKEND_NAMES]))
    .option('--deciders <n>', 'processes that decide for each adapter', integer(1, 64), 1)
    .addOption(new Option('--on-impossible <what>', 'what new sessions do about observations that their belief rules out').choices(['most-likely', 'error', 'reset']).default('most-likely'))
    .option('--no-lookahead', 'decide by α-vectors and stored bounds alone, where a policy is made of these: sooner, by wider bounds')
    .option('--drain-wait <milliseconds>', 'how long only /ready says no before the server stops', integer(0), 0)
    .addOption(new Option('--log-level <level>', 'what is logged, as JSON on standard error; debug has every request').choices(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'))
    .action((files: string[], options: ServeOptions) => {
      let logged: Logger | undefined;
      const stopping = (signal: string) => {
        logged?.info({ signal }, 'told to stop; once more to stop at once');
        return logged !== undefined;
      };
      return invoke({ ...options, resumes: false, stopping }, async ({ signal, print }) => {
        const token = await tokenOf(options);
        if (token === undefined && options.insecure !== true && !LOOPBACK.test(options.host)) {
          throw new TiresiasError('USAGE', `--host ${options.host} lets other machines in, and there is no token: set TIRESIAS_TOKEN or --token-file, or say --insecure`);
        }
        const named = grouped(files);
        const [{ loadPolicy }, { openStore }, { makeServer, pino }] = await Promise.all([import('../serve/policy.js'), import('../serve/stores/index.js'), httpServer()]);
        const log = (logged = pino({ level: options.logLevel, base: null }, pino.destination({ dest: 2, sync: false })));
        const policies = new Map<string, Variant[]>();
        const start = async () => {
          for (const [name, variants] of named) {
            policies.set(name, []);
            for (const { variant, file, share = 1 } of variants) policies.get(name)!.push({ name: variant, share, policy: await loaded(file, options, loadPolicy) });
          }
          const store = await openStore(options.store);
          return { store, server: await makeServer(policies, store, { ...options, token }, log) };
        };
        const { store, server } = await start().catch(async (error: unknown) => {
          // Processes of language models that were started would keep this one from ending.
          for (const { policy } of [...policies.values()].flat()) if ('dispose' in policy) await policy.dispose();
          throw error;
        });
        const reload = () => {
          for (const name of policies.keys()) {
            server.service.reload(name).then((reloaded) => log.info({ policy: name, ...reloaded }, 'policy read again'), (error: unknown) => log.error({ err: error, policy: name }, 'policy could not be read again; the old one stays'));
          }
        };
        process.on('SIGHUP', reload);
        try {
          await listen(server.app, options);
          const address = server.app.listeningOrigin;
          print({ address, policies: [...policies.keys()], store: store.name, token: token !== undefined }, `serving ${[...policies.keys()].join(', ')} at ${address}, sessions in ${store.name}${token === undefined ? '' : ', with a token'}`);
          log.info({ address, policies: [...policies.keys()], store: store.name }, 'serving');
          if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          log.info('draining');
        } finally {
          process.off('SIGHUP', reload);
          await server.drain(options.drainWait);
          log.flush();
        }
      });
    });
}

async function listen(app: { listen(options: { host: string; port: number }): Promise<string> }, { host, port }: ServeOptions): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE') throw new TiresiasError('USAGE', `port ${port} of ${host} is taken: choose another with --port`, { cause });
    if (code === 'EACCES') throw new TiresiasError('PERMISSION_DENIED', `port ${port} of ${host} is not for this user: choose one from 1024 on with --port`, { cause });
    throw new TiresiasError('USAGE', `cannot listen at ${host}: ${(cause as Error).message}`, { cause });
  }
}
