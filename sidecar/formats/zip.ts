import { crc32, inflateRawSync } from "node:zlib";
import { ModelError } from "../graph/errors";
import { writeFully, type ByteSource } from "./file";

/**
 * The zip container as NumPy uses it: members are written stored, straight to the file, so that an archive of many
 * gigabytes needs no second copy in memory (fflate, which zips into memory and writes no zip64, does not fit); members
 * that numpy.savez_compressed deflated are read too. PKWARE's APPNOTE.TXT names the fields.
 */

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;

const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;
const UTF8_NAMES = 0x800;
/** A field with all bits set says: see the zip64 record. */
const MAX_32 = 0xffffffff;
const MAX_16 = 0xffff;
/** 1980-01-01, the beginning of time in zip, so that equal results are equal files. */
const DATE = 0x21;

interface WrittenMember {
  readonly name: Buffer;
  readonly offset: number;
  readonly size: number;
  checksum: number;
}

/** Writes an archive of stored members to an open, empty file. */
export class ZipWriter {
  private readonly members: WrittenMember[] = [];
  private position = 0;

  /** Sizes and offsets from `zip64From` on are written as zip64; only tests say less than 4 GiB. */
  constructor(
    private readonly descriptor: number,
    private readonly zip64From = MAX_32,
  ) {}

  /** Adds a member that consists of `parts`, one after the other. */
  add(name: string, parts: readonly Uint8Array[]): void {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const member: WrittenMember = { name: Buffer.from(name), offset: this.position, size, checksum: 0 };
    const header = this.localHeader(member);
    this.append(header);
    for (const part of parts) this.append(part, (piece) => (member.checksum = crc32(piece, member.checksum)));
    // The header stands before the data whose checksum it holds: it is known only now.
    header.writeUInt32LE(member.checksum, 14);
    writeFully(this.descriptor, header, member.offset);
    this.members.push(member);
  }

  /** Writes the directory; the archive is complete after this. */
  finish(): void {
    const start = this.position;
    for (const member of this.members) this.append(this.centralHeader(member));
    const size = this.position - start;
    const count = this.members.length;
    if (count >= MAX_16 || start >= this.zip64From || size >= this.zip64From) {
      const end = this.position;
      const record = Buffer.alloc(56);
      record.writeUInt32LE(END_64, 0);
      record.writeBigUInt64LE(44n, 4);
      record.writeUInt16LE(45, 12);
      record.writeUInt16LE(45, 14);
      record.writeBigUInt64LE(BigInt(count), 24);
      record.writeBigUInt64LE(BigInt(count), 32);
      record.writeBigUInt64LE(BigInt(size), 40);
      record.writeBigUInt64LE(BigInt(start), 48);
      const locator = Buffer.alloc(20);
      locator.writeUInt32LE(LOCATOR_64, 0);
      locator.writeBigUInt64LE(BigInt(end), 8);
      locator.writeUInt32LE(1, 16);
      this.append(record);
      this.append(locator);
    }
    const record = Buffer.alloc(22);
    record.writeUInt32LE(END, 0);
    record.writeUInt16LE(Math.min(count, MAX_16), 8);
    record.writeUInt16LE(Math.min(count, MAX_16), 10);
    record.writeUInt32LE(this.field(size), 12);
    record.writeUInt32LE(this.field(start), 16);
    this.append(record);
  }

  private append(bytes: Uint8Array, each?: (piece: Uint8Array) => void): void {
    writeFully(this.descriptor, bytes, this.position, each);
    this.position += bytes.length;
  }

  private field(value: number): number {
    return value >= this.zip64From ? MAX_32 : value;
  }

  private localHeader({ name, size }: WrittenMember): Buffer {
    const large = size >= this.zip64From;
    const header = Buffer.alloc(30 + name.length + (large ? 20 : 0));
    header.writeUInt32LE(LOCAL_HEADER, 0);
    header.writeUInt16LE(large ? 45 : 20, 4);
    header.writeUInt16LE(UTF8_NAMES, 6);
    header.writeUInt16LE(STORED, 8);
    header.writeUInt16LE(DATE, 12);
    header.writeUInt32LE(this.field(size), 18);
    header.writeUInt32LE(this.field(size), 22);
    header.writeUInt16LE(name.length, 26);
    header.writeUInt16LE(large ? 20 : 0, 28);
    name.copy(header, 30);
    if (large) writeExtra(header, 30 + name.length, [size, size]);
    return header;
  }

  private centralHeader({ name, size, offset, checksum }: WrittenMember): Buffer {
    // The zip64 record holds only the fields that did not fit, in this order.
    const large = [size, size, offset].filter((value) => value >= this.zip64From);
    const extra = large.length > 0 ? 4 + 8 * large.length : 0;
    const header = Buffer.alloc(46 + name.length + extra);
    header.writeUInt32LE(CENTRAL_HEADER, 0);
    header.writeUInt16LE(extra > 0 ? 45 : 20, 4);
    header.writeUInt16LE(extra > 0 ? 45 : 20, 6);
    header.writeUInt16LE(UTF8_NAMES, 8);
    header.writeUInt16LE(STORED, 10);
    header.writeUInt16LE(DATE, 14);
    header.writeUInt32LE(checksum, 16);
    header.writeUInt32LE(this.field(size), 20);
    header.writeUInt32LE(this.field(size), 24);
    header.writeUInt16LE(name.length, 28);
    header.writeUInt16LE(extra, 30);
    header.writeUInt32LE(this.field(offset), 42);
    name.copy(header, 46);
    if (extra > 0) writeExtra(header, 46 + name.length, large);
    return header;
  }
}

function writeExtra(header: Buffer, at: number, values: readonly number[]): void {
  header.writeUInt16LE(1, at);
  header.writeUInt16LE(8 * values.length, at + 2);
  values.forEach((value, index) => header.writeBigUInt64LE(BigInt(value), at + 4 + 8 * index));
}

interface DirectoryEntry {
  readonly name: string;
  readonly method: number;
  readonly checksum: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

/** Whether the file begins as zip archives do. */
export function isZip(source: ByteSource): boolean {
  const start = Buffer.alloc(4);
  if (source.read(start, 0) < 4) return false;
  const signature = start.readUInt32LE();
  return signature === LOCAL_HEADER || signature === END;
}

/** The members of an archive, by name. Nothing but the directory is read until a member is. */
export function readZip(source: ByteSource): Map<string, ByteSource> {
  const members = new Map<string, ByteSource>();
  for (const entry of readDirectory(source)) members.set(entry.name, memberOf(source, entry));
  return members;
}

function readDirectory(source: ByteSource): DirectoryEntry[] {
  const damaged = new ModelError(
    `${source.name}: is truncated or damaged: the directory at the end of the archive is missing or cannot be read.`,
  );
  const read = (position: number, length: number): Buffer => {
    if (position < 0 || length < 0 || position + length > source.size) throw damaged;
    const bytes = Buffer.alloc(length);
    if (source.read(bytes, position) < length) throw damaged;
    return bytes;
  };
  // The end record is 22 bytes, and a comment of at most 64 KiB may follow it.
  const tail = read(Math.max(0, source.size - 22 - MAX_16), Math.min(source.size, 22 + MAX_16));
  let at = tail.length - 22;
  while (at >= 0 && tail.readUInt32LE(at) !== END) at--;
  if (at < 0) throw damaged;

  let count = tail.readUInt16LE(at + 10);
  let size = tail.readUInt32LE(at + 12);
  let start = tail.readUInt32LE(at + 16);
  if (count === MAX_16 || size === MAX_32 || start === MAX_32) {
    const locator = at - 20;
    if (locator < 0 || tail.readUInt32LE(locator) !== LOCATOR_64) throw damaged;
    const record = read(Number(tail.readBigUInt64LE(locator + 8)), 56);
    if (record.readUInt32LE(0) !== END_64) throw damaged;
    count = Number(record.readBigUInt64LE(32));
    size = Number(record.readBigUInt64LE(40));
    start = Number(record.readBigUInt64LE(48));
  }
  if (start + size > source.size) throw damaged;

  const directory = read(start, size);
  const entries: DirectoryEntry[] = [];
  let position = 0;
  try {
    for (let index = 0; index < count; index++) {
      if (directory.readUInt32LE(position) !== CENTRAL_HEADER) throw damaged;
      const nameLength = directory.readUInt16LE(position + 28);
      const extraLength = directory.readUInt16LE(position + 30);
      const commentLength = directory.readUInt16LE(position + 32);
      const name = directory.toString("utf8", position + 46, position + 46 + nameLength);
      const extra = directory.subarray(position + 46 + nameLength, position + 46 + nameLength + extraLength);
      const [unpacked, packed, offset] = widened(
        [
          directory.readUInt32LE(position + 24),
          directory.readUInt32LE(position + 20),
          directory.readUInt32LE(position + 42),
        ],
        extra,
      );
      if (directory.readUInt16LE(position + 8) & ENCRYPTED) {
        throw new ModelError(`${source.name}: member ${name} is encrypted.`);
      }
      const method = directory.readUInt16LE(position + 10);
      // No member is larger than the archive, but what is packed may become so
      if (offset + packed > source.size || (method === STORED && unpacked > packed)) throw damaged;
      entries.push({ name, method, checksum: directory.readUInt32LE(position + 16), packed, size: unpacked, offset });
      position += 46 + nameLength + extraLength + commentLength;
    }
  } catch (error) {
    throw error instanceof RangeError ? damaged : error;
  }
  return entries;
}

/** Fields that are all ones are found in the zip64 record (id 1) of the extra fields, in order. */
function widened(fields: number[], extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let from = at + 4;
    return fields.map((field) => {
      if (field !== MAX_32) return field;
      from += 8;
      return Number(extra.readBigUInt64LE(from - 8));
    });
  }
  return fields;
}

function memberOf(archive: ByteSource, entry: DirectoryEntry): ByteSource {
  const name = `${archive.name}, member ${entry.name}`;
  const fail = (what: string): ModelError => new ModelError(`${name}: ${what}`);
  const damaged = (): ModelError => fail("is damaged: its contents do not match its checksum.");
  let start = -1;
  const dataStart = (): number => {
    if (start >= 0) return start;
    const header = Buffer.alloc(30);
    if (archive.read(header, entry.offset) < 30 || header.readUInt32LE(0) !== LOCAL_HEADER) throw damaged();
    return (start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28));
  };

  let unpacked: Uint8Array | null = null;
  const unpack = (): Uint8Array => {
    const bytes = new Uint8Array(entry.packed);
    if (archive.read(bytes, dataStart()) < bytes.length) throw damaged();
    try {
      unpacked = inflateRawSync(bytes, { maxOutputLength: Math.max(1, entry.size) });
    } catch {
      throw damaged();
    }
    if (unpacked.length !== entry.size || crc32(unpacked) !== entry.checksum) throw damaged();
    return unpacked;
  };

  const readStored = (target: Uint8Array, position: number): number => {
    const length = Math.max(0, Math.min(target.length, entry.size - position));
    return archive.read(target.subarray(0, length), dataStart() + position);
  };
  const readDeflated = (target: Uint8Array, position: number): number => {
    const piece = (unpacked ?? unpack()).subarray(position, position + target.length);
    target.set(piece);
    return piece.length;
  };

  if (entry.method !== STORED && entry.method !== DEFLATED) {
    throw fail(
      `is compressed by method ${entry.method}, which is not supported; use numpy.savez or numpy.savez_compressed.`,
    );
  }
  return { name, size: entry.size, read: entry.method === STORED ? readStored : readDeflated };
}
