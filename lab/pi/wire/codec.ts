import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** A message as plain data: names as in its .proto; 64-bit integers are bigints, bytes are Uint8Arrays, enums are numbers. */
export type Message = { readonly [field: string]: unknown };

type Field = { readonly name: string; readonly type: string; readonly repeated: boolean; readonly number: number };
type Definition = { readonly byName: ReadonlyMap<string, Field>; readonly byNumber: ReadonlyMap<number, Field> };

/** Message definitions by name, read from .proto text by `parseDefinitions`. */
export type Definitions = ReadonlyMap<string, Definition>;

const SCALARS = new Set(['string', 'bytes', 'bool', 'int32', 'int64', 'uint32', 'uint64', 'double', 'enum']);

/** Reads `message Name { [repeated] type name = number; … }` blocks; `enum` is a type of its own here, and comments are not allowed. */
export function parseDefinitions(text: string): Definitions {
  const all = new Map<string, Definition>();
  for (const [, name, body] of text.matchAll(/message (\w+) \{([^}]*)\}/g)) {
    const fields = [...body!.matchAll(/(repeated )?(\w+) (\w+) = (\d+);/g)]
      .map(([, repeated, type, field, number]) => ({ name: field!, type: type!, repeated: repeated !== undefined, number: Number(number) }));
    all.set(name!, { byName: new Map(fields.map((f) => [f.name, f])), byNumber: new Map(fields.map((f) => [f.number, f])) });
  }
  return all;
}

function definition(definitions: Definitions, type: string): Definition {
  const found = definitions.get(type);
  if (!found) throw new Error(`no message definition for ${type}`);
  return found;
}

function writeScalar(writer: BinaryWriter, field: Field, value: unknown): void {
  switch (field.type) {
    case 'string': writer.tag(field.number, WireType.LengthDelimited).string(value as string); break;
    case 'bytes': writer.tag(field.number, WireType.LengthDelimited).bytes(value as Uint8Array); break;
    case 'bool': writer.tag(field.number, WireType.Varint).bool(value as boolean); break;
    case 'int32': case 'enum': writer.tag(field.number, WireType.Varint).int32(value as number); break;
    case 'uint32': writer.tag(field.number, WireType.Varint).uint32(value as number); break;
    case 'int64': writer.tag(field.number, WireType.Varint).int64(value as bigint); break;
    case 'uint64': writer.tag(field.number, WireType.Varint).uint64(value as bigint); break;
    default: writer.tag(field.number, WireType.Bit64).double(value as number);
  }
}

function isDefault(value: unknown): boolean {
  return value === undefined || value === '' || value === 0 || value === 0n || value === false
    || (value instanceof Uint8Array && value.length === 0);
}

/** Encodes `message` as `type`; fields at their default are left out, as proto3 does. Throws on a field that the type lacks. */
export function encode(definitions: Definitions, type: string, message: Message): Uint8Array {
  const { byName } = definition(definitions, type);
  const writer = new BinaryWriter();
  for (const [name, value] of Object.entries(message)) {
    const field = byName.get(name);
    if (!field) throw new Error(`${type} has no field ${name}`);
    for (const one of field.repeated ? value as unknown[] : [value]) {
      if (SCALARS.has(field.type)) {
        if (field.repeated || !isDefault(one)) writeScalar(writer, field, one);
      } else if (one !== undefined) {
        writer.tag(field.number, WireType.LengthDelimited).bytes(encode(definitions, field.type, one as Message));
      }
    }
  }
  return writer.finish();
}

function readScalar(reader: BinaryReader, field: Field): unknown {
  switch (field.type) {
    case 'string': return reader.string();
    case 'bytes': return reader.bytes();
    case 'bool': return reader.bool();
    case 'int32': case 'enum': return reader.int32();
    case 'uint32': return reader.uint32();
    case 'int64': return BigInt(reader.int64());
    case 'uint64': return BigInt(reader.uint64());
    default: return reader.double();
  }
}

/** Decodes `bytes` as `type`; absent fields are absent, unknown ones are skipped. Throws on truncated data. */
export function decode(definitions: Definitions, type: string, bytes: Uint8Array): Message {
  const { byNumber } = definition(definitions, type);
  const reader = new BinaryReader(bytes);
  const message: Record<string, unknown> = {};
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = byNumber.get(number);
    if (!field) {
      reader.skip(wire, number);
      continue;
    }
    const packed = field.repeated && wire === WireType.LengthDelimited && SCALARS.has(field.type) && field.type !== 'string' && field.type !== 'bytes';
    const end = packed ? reader.uint32() + reader.pos : 0;
    do {
      const value = SCALARS.has(field.type) ? readScalar(reader, field) : decode(definitions, field.type, reader.bytes());
      if (field.repeated) ((message[field.name] ??= []) as unknown[]).push(value);
      else message[field.name] = value;
    } while (packed && reader.pos < end);
  }
  return message;
}
