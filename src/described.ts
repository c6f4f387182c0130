// The JSON Schema of a file that people write, with what each field means: an editor shows it.
import type { z as Zod } from 'zod';
import { DESCRIPTIONS } from './descriptions.js';
import { zod } from './lazy.js';

/** A part of a JSON Schema. */
export interface JsonSchema {
  description?: string;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  prefixItems?: JsonSchema[];
  anyOf?: JsonSchema[];
  additionalProperties?: JsonSchema | false;
  [key: string]: unknown;
}

/** The JSON Schema of what a zod schema reads, described by the doc comments of its types. */
export function describedSchema(schema: Zod.ZodType, file: keyof typeof DESCRIPTIONS): JsonSchema {
  const descriptions = DESCRIPTIONS[file];
  const described = (node: JsonSchema, path: string): JsonSchema => {
    const { properties, items, prefixItems, anyOf, additionalProperties: others } = node;
    return {
      ...(Object.hasOwn(descriptions, path) && { description: descriptions[path]! }),
      ...node,
      ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, described(one, path === '' ? name : `${path}.${name}`)])) }),
      ...(items && { items: undescribed(described(items, path)) }),
      ...(prefixItems && { prefixItems: prefixItems.map((one) => undescribed(described(one, path))) }),
      ...(anyOf && { anyOf: anyOf.map((one) => undescribed(described(one, path))) }),
      ...(others && Object.keys(others).length > 0 && { additionalProperties: undescribed(described(others, path)) }),
    };
  };
  return described(zod().toJSONSchema(schema, { io: 'input' }) as JsonSchema, '');
}

/** A field's description stands at the field, not at each of its forms again. */
function undescribed(node: JsonSchema): JsonSchema {
  const { description, ...rest } = node;
  return description === undefined ? node : rest;
}
