// Where the border between camelCase and snake_case runs: every object of the library and of `--json` is camelCase; templates, the
// trainer's lines and its configuration are snake_case on disk and between processes.

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;

/** `T` with the keys of all objects within in camelCase. */
export type CamelKeys<T> = T extends readonly (infer Item)[]
  ? CamelKeys<Item>[]
  : T extends object
    ? { [K in keyof T as K extends string ? Camel<K> : K]: CamelKeys<T[K]> }
    : T;

const camel = (key: string): string => key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function renamed(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [rename(key), renamed(inner, rename)]));
}

/** Plain JSON with its keys, and those of all objects within, in camelCase. Values are left alone. */
export const camelKeys = <T>(value: T): CamelKeys<T> => renamed(value, camel) as CamelKeys<T>;

/** Plain JSON with its keys, and those of all objects within, in snake_case. Values are left alone. */
export const snakeKeys = (value: object): Record<string, unknown> => renamed(value, snake) as Record<string, unknown>;
