import { Option, type Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { TiresiasError } from '../errors.js';
import { io } from '../files.js';
import type { OnImpossible } from '../serve/session-state.js';
import { integer, invoke, newCommand, type CommonOptions } from './common.js';

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
  onImpossible: OnImpossible;
  lookahead: boolean;
  drainWait: number;
  logLevel: string;
}

/** `NAME=FILE`, or a file, whose name without its suffix is the policy's. */
function namedFile(argument: string): [name: string, file: string] {
  const [, name, file] = /^([A-Za-z0-9._-]+)=(.+)$/.exec(argument) ?? [undefined, basename(argument, extname(argument)), argument];
  return [name!, file!];
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

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/;

/** Serves policies over HTTP. */
export function serveCommand(): Command {
  return newCommand('serve', 'serve certified policies over HTTP: sessions, decisions, metrics, and a page at /', [
    'tiresias solve tiger --policy-out tiger.policy --carry-model',
    'tiresias serve tiger.policy --store sqlite:sessions.db',
    'TIRESIAS_TOKEN=secret tiresias serve a.policy night=b.policy --host 0.0.0.0 --store redis://localhost:6379',
  ])
    .argument('<policies...>', 'policy files that carry their model (solve --carry-model); NAME=FILE gives one another name than its file’s')
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <n>', 'the port; 0 for any that is free', integer(0, 65535), 8080)
    .option('--store <where>', 'where sessions live: memory, sqlite:FILE or redis://HOST:PORT', 'memory')
    .option('--token-file <file>', 'a file with the token that requests must carry; TIRESIAS_TOKEN when absent')
    .option('--insecure', 'serve other machines without a token')
    .option('--max-body <bytes>', 'the largest body of a request', integer(1), 1 << 20)
    .option('--max-sessions <n>', 'the most sessions that the store may hold', integer(1), 100_000)
    .option('--max-queue <n>', 'the most decisions that may wait for one policy', integer(1), 10_000)
    .option('--rate <n>', 'requests a second that one address may make; any number when absent', integer(1))
    .addOption(new Option('--on-impossible <what>', 'what new sessions do about observations that their belief rules out').choices(['most-likely', 'error', 'reset']).default('most-likely'))
    .option('--no-lookahead', 'decide by α-vectors and stored bounds alone, where a policy is made of these: sooner, by wider bounds')
    .option('--drain-wait <milliseconds>', 'how long only /ready says no before the server stops', integer(0), 0)
    .addOption(new Option('--log-level <level>', 'what is logged, as JSON on standard error; debug has every request').choices(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'))
    .action((files: string[], options: ServeOptions) =>
      invoke({ ...options, resumes: false }, async ({ signal, print }) => {
        const token = await tokenOf(options);
        if (token === undefined && options.insecure !== true && !LOOPBACK.test(options.host)) {
          throw new TiresiasError('USAGE', `--host ${options.host} lets other machines in, and there is no token: set TIRESIAS_TOKEN or --token-file, or say --insecure`);
        }
        const named = files.map(namedFile);
        const twice = named.find(([name], i) => named.findIndex(([other]) => other === name) < i);
        if (twice) throw new TiresiasError('USAGE', `two policies are called ${twice[0]}; give one another name: NAME=${twice[1]}`);
        const [{ loadPolicy }, { openStore }, { makeServer, pino }] = await Promise.all([import('../serve/policy.js'), import('../serve/stores/index.js'), httpServer()]);
        const policies = new Map();
        for (const [name, file] of named) {
          const policy = await loadPolicy(file);
          // Whatever is wrong with it is known before anybody asks.
          void policy.solution;
          policies.set(name, policy);
        }
        const store = await openStore(options.store);
        const log = pino({ level: options.logLevel, base: null }, pino.destination({ dest: 2, sync: false }));
        const server = await makeServer(policies, store, { ...options, token }, log);
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
      }),
    );
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
