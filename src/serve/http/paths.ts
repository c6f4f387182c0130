// Which methods each path takes: what a 405 and an answer to OPTIONS must say.

/** The routes of a server, as they are added. */
export class Paths {
  readonly #taken: { pattern: RegExp; methods: Set<string> }[] = [];
  readonly #byRoute = new Map<string, Set<string>>();

  /** A route as fastify has it, `/sessions/:id`. */
  add(route: string, methods: string | readonly string[]): void {
    let taken = this.#byRoute.get(route);
    if (!taken) {
      this.#byRoute.set(route, (taken = new Set()));
      this.#taken.push({ pattern: new RegExp(`^${route.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`), methods: taken });
    }
    for (const method of [methods].flat()) taken.add(method);
  }

  /** What may be done at a path; nothing where there is none. */
  methodsAt(path: string): string[] {
    const found = new Set(this.#taken.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods]));
    return found.size === 0 ? [] : [...found.add('OPTIONS')].toSorted();
  }
}

/** The path that is asked for. Requests may name the whole address (`GET http://host/path`), or `*`, the server itself. */
export function pathAsked(url: string): string {
  if (url.startsWith('/')) return url;
  return url === '*' ? '/' : `/${url.replace(/^https?:\/\/[^/?#]*\/?/i, '')}`;
}
