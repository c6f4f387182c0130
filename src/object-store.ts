// Files in an object store that speaks S3. An object appears whole or not at all, and so is what a writer that was killed leaves. Where the store is and
// whose keys open it, the client's own environment says: AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL_S3 and the rest.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { TiresiasError, messageOf } from './errors.js';
import { awsS3 } from './lazy.js';
import { isSealed } from './seal.js';
import { parseJson } from './json.js';

const SCHEME = 's3://';

/** Whether a place is in an object store, and no folder. */
export const isStored = (place: string): boolean => place.startsWith(SCHEME);

/** A place below another, a folder or one in an object store. */
export const below = (place: string, name: string): string => (isStored(place) ? `${place.replace(/\/+$/, '')}/${name}` : join(place, name));

/** What lies below `s3://BUCKET/PREFIX`. */
export class ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  /** Nothing is asked of the store yet. Throws USAGE, and SOMETHING_MISSING without the client's package. */
  constructor(readonly url: string) {
    const [, bucket, prefix] = /^s3:\/\/([^/?#]+)(?:\/([^?#]*))?$/.exec(url) ?? [];
    if (bucket === undefined) throw new TiresiasError('USAGE', `${url} names no place in an object store: s3://BUCKET/PREFIX`);
    this.#bucket = bucket;
    this.#prefix = prefix === undefined || prefix === '' ? '' : `${prefix.replace(/\/+$/, '')}/`;
    const { env } = process;
    const elsewhere = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'];
    this.#client = new (awsS3().S3Client)({
      // Not all that speak S3 know the checksums that its newest clients add; ours are SHA-256, in the markers.
      requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED',
      // Nor have all of them a name for each bucket, or a region.
      ...(elsewhere !== undefined && { endpoint: elsewhere, forcePathStyle: true, region: env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? 'us-east-1' }),
    });
  }

  /** An object's address, for messages. */
  address(name: string): string {
    return `${SCHEME}${this.#bucket}/${this.#prefix}${name}`;
  }

  /** Names of the objects that begin with `start`, with their sizes. */
  async list(start: string): Promise<Map<string, number>> {
    return this.#asked(start, async () => {
      const found = new Map<string, number>();
      const pages = awsS3().paginateListObjectsV2({ client: this.#client }, { Bucket: this.#bucket, Prefix: this.#prefix + start });
      for await (const { Contents: contents = [] } of pages) {
        for (const { Key: key, Size: size } of contents) found.set(key!.slice(this.#prefix.length), size!);
      }
      return found;
    });
  }

  /** What an object holds; undefined where there is none. */
  async read(name: string): Promise<Uint8Array | undefined> {
    return this.#asked(name, async () => (await this.#get(name))?.transformToByteArray());
  }

  /** The text of an object; undefined where there is none. */
  async readText(name: string): Promise<string | undefined> {
    const bytes = await this.read(name);
    return bytes && Buffer.from(bytes).toString('utf8');
  }

  /** What a sealed object holds; undefined where there is none, or not what was sealed. */
  async readSealedIfWhole(name: string): Promise<unknown> {
    const text = await this.readText(name);
    return text !== undefined && isSealed(text) ? parseJson(text, this.address(name)) : undefined;
  }

  /** SHA-256 of what an object holds, which is not kept; undefined where there is none. */
  async sha256(name: string, signal?: AbortSignal): Promise<string | undefined> {
    return this.#asked(name, async () => {
      const body = await this.#get(name, signal);
      if (!body) return undefined;
      const hash = createHash('sha256');
      for await (const piece of body as AsyncIterable<Uint8Array>) hash.update(piece);
      return hash.digest('hex');
    });
  }

  /** Writes an object, whole or not at all. */
  async write(name: string, data: string | Uint8Array): Promise<void> {
    await this.#asked(name, () => this.#client.send(new (awsS3().PutObjectCommand)({ Bucket: this.#bucket, Key: this.#prefix + name, Body: data })));
  }

  /** Removes an object; one that is not there is as good. */
  async remove(name: string): Promise<void> {
    await this.#asked(name, () => this.#client.send(new (awsS3().DeleteObjectCommand)({ Bucket: this.#bucket, Key: this.#prefix + name })));
  }

  async #get(name: string, signal?: AbortSignal): Promise<GetObjectCommandOutput['Body']> {
    try {
      const { Body: body } = await this.#client.send(new (awsS3().GetObjectCommand)({ Bucket: this.#bucket, Key: this.#prefix + name }), { ...(signal && { abortSignal: signal }) });
      return body;
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey') return undefined;
      throw error;
    }
  }

  async #asked<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#fault(name, error);
    }
  }

  /** What the client throws, as ours. */
  #fault(name: string, cause: unknown): unknown {
    const { name: kind, $metadata: { httpStatusCode: status } = {} } = cause as Error & { $metadata?: { httpStatusCode?: number } };
    if (cause instanceof TiresiasError || kind === 'AbortError') return cause;
    const what = `could not use ${this.address(name)}`;
    const details = { url: this.address(name), ...(status !== undefined && { status }) };
    if (kind === 'NoSuchBucket') return new TiresiasError('FILE_NOT_FOUND', `${what}: there is no bucket ${this.#bucket}; make it, or name another`, { cause, details });
    if (status === 401 || status === 403 || kind === 'CredentialsProviderError') {
      return new TiresiasError('PERMISSION_DENIED', `${what}: ${messageOf(cause)}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile, to keys that may`, { cause, details });
    }
    if (status !== undefined && status < 500 && status !== 429) return new TiresiasError('IO', `${what}: ${messageOf(cause)}`, { cause, details });
    if (status === undefined && !/^E[A-Z]+$/.test(String((cause as NodeJS.ErrnoException).code)) && kind !== 'TimeoutError') return new TiresiasError('IO', `${what}: ${messageOf(cause)}`, { cause, details });
    return new TiresiasError('STORE_DOWN', `${what}: ${messageOf(cause)}; what is there is whole, so run the same command again when the store is back`, { cause, details });
  }
}
