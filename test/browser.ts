// A real browser without a window, where one is installed: Chromium over its debugging pipe, JSON messages that end with a zero.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

/** The browser's program: TIRESIAS_BROWSER, or one on the path; undefined where there is none. */
export function browserThere(): string | undefined {
  const own = process.env['TIRESIAS_BROWSER'];
  if (own !== undefined) return existsSync(own) ? own : undefined;
  return (process.env['PATH'] ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name))).find((path) => existsSync(path));
}

/** How a page is looked at. */
export interface Look {
  width?: number;
  height?: number;
  scheme?: 'light' | 'dark';
  /** Laid out as on a screen, or as on paper. */
  media?: 'screen' | 'print';
}

/** An open page. */
export interface Page {
  /** What an expression comes to in the page; promises are waited for. */
  evaluate<T>(expression: string): Promise<T>;
  /** A PNG of what is seen, or of a whole page `tall`. */
  picture(tall?: number): Promise<Buffer>;
  /** What the page has said went wrong: errors on its console, exceptions that nothing caught, files that did not come. */
  errors(): readonly string[];
}

/** A browser. */
export interface Browser {
  open(url: string, look?: Look): Promise<Page>;
  end(): Promise<void>;
}

/** What went wrong by an event of the browser's, or nothing. */
function wrongs(method: string, params: any): string | undefined {
  if (method === 'Runtime.exceptionThrown') return params.exceptionDetails.exception?.description ?? params.exceptionDetails.text;
  if (method === 'Runtime.consoleAPICalled' && params.type === 'error') return params.args.map(({ value, description }: { value?: unknown; description?: string }) => String(value ?? description)).join(' ');
  if (method === 'Log.entryAdded' && params.entry.level === 'error') return `${params.entry.text} ${params.entry.url ?? ''}`.trim();
  return undefined;
}

/** Starts a browser with a profile of its own. */
export async function startBrowser(program: string): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'tiresias-browser-'));
  // In a container there is no sandbox for it to make, and it meets our own pages alone.
  const child = spawn(program, ['--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run', '--disable-dev-shm-usage', `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank'], { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const [to, from] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const waiting = new Map<number, { resolve(result: any): void; reject(error: Error): void }>();
  /** What each page has said went wrong, by its session. */
  const said = new Map<string, string[]>();
  let next = 1;
  let read = '';
  from.setEncoding('utf8').on('data', (text: string) => {
    const messages = (read + text).split('\0');
    read = messages.pop()!;
    for (const message of messages) {
      const { id, result, error, ...event } = JSON.parse(message) as { id?: number; result?: unknown; error?: { message: string }; method?: string; sessionId?: string; params?: any };
      const wrong = event.sessionId === undefined ? undefined : wrongs(event.method!, event.params);
      if (wrong !== undefined) said.get(event.sessionId!)?.push(wrong);
      const asked = id === undefined ? undefined : waiting.get(id);
      if (asked) waiting.delete(id!);
      if (error) asked?.reject(new Error(error.message));
      else asked?.resolve(result);
    }
  });
  void closed.then(() => {
    for (const { reject } of waiting.values()) reject(new Error('the browser ended'));
  });
  const send = <T = Record<string, any>>(method: string, params: object = {}, sessionId?: string) => new Promise<T>((resolve, reject) => {
    waiting.set(next, { resolve, reject });
    to.write(`${JSON.stringify({ id: next++, method, params, ...(sessionId && { sessionId }) })}\0`);
  });
  return {
    async open(url, { width = 1000, height = 800, scheme = 'light', media = 'screen' } = {}) {
      const { targetId } = await send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
      const errors: string[] = [];
      said.set(sessionId, errors);
      await Promise.all(['Runtime.enable', 'Log.enable'].map((method) => send(method, {}, sessionId)));
      const look = (tall: number) => send('Emulation.setDeviceMetricsOverride', { width, height: tall, deviceScaleFactor: 1, mobile: width < 600 }, sessionId);
      await look(height);
      await send('Emulation.setEmulatedMedia', { media, features: [{ name: 'prefers-color-scheme', value: scheme }] }, sessionId);
      await send('Page.navigate', { url }, sessionId);
      const evaluate = async <T>(expression: string): Promise<T> => {
        const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, sessionId);
        if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value as T;
      };
      return {
        evaluate,
        errors: () => errors,
        async picture(tall) {
          if (tall !== undefined) await look(tall);
          return Buffer.from((await send('Page.captureScreenshot', { format: 'png' }, sessionId))['data'], 'base64');
        },
      };
    },
    async end() {
      // The whole group: its children outlive it by a moment, and write to the profile until they end.
      process.kill(-child.pid!, 'SIGKILL');
      await closed;
      rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}
