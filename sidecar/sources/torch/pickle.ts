import { Unexpected } from "./json";

/**
 * A pickle as `torch.save` writes it: a program of a small stack machine, which makes plain values, and names functions and
 * classes. None of these is run: what each name stands for is the reader's own, and other names are refused.
 */

export type Pickled =
  null | boolean | number | string | readonly Pickled[] | ReadonlyMap<Pickled, Pickled> | PickledName | object;

/** A function or a class: `collections.OrderedDict`. */
export class PickledName {
  constructor(readonly name: string) {}
}

export interface PickleReader {
  /** What a name stands for when it is called; null for one that has no place in such a file. */
  readonly call: (name: string) => ((args: readonly Pickled[]) => Pickled) | null;
  /** Whether something may be named that is not called. */
  readonly isType: (name: string) => boolean;
  /** What stands for data outside of the pickle. */
  readonly outside: (id: Pickled) => Pickled;
}

/** Protocol 2 is what torch.save writes; later ones have other instructions. */
const PROTOCOL = 2;
/** Lists, dicts and what calls make: those of a hundred thousand arrays. */
const MOST_OBJECTS = 1_000_000;

/** Beginning of what an instruction takes from the stack. */
const MARK = Object.freeze({});

/** Reads a pickle, in time and memory in proportion to its bytes. Throws `Unexpected` for anything that is not expected in it. */
export function readPickle(bytes: Buffer, reader: PickleReader): Pickled {
  const stack: Pickled[] = [];
  const memo = new Map<number, Pickled>();
  let at = 0;
  let objects = 0;
  const push = (object: Pickled): void => {
    if (++objects > MOST_OBJECTS) throw new Unexpected(`it has more than ${MOST_OBJECTS} objects`);
    stack.push(object);
  };
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw new Unexpected("it is cut off");
    at += length;
    return bytes.subarray(at - length, at);
  };
  const byte = (): number => take(1)[0];
  const line = (): string => {
    const length = bytes.indexOf("\n", at) - at;
    if (length < 0) throw new Unexpected("it is cut off");
    return take(length + 1).toString("utf8", 0, length);
  };
  const pop = (): Pickled => {
    const value = stack.pop();
    if (value === undefined || value === MARK) throw new Unexpected("it takes what is not there");
    return value;
  };
  const popToMark = (): Pickled[] => {
    const mark = stack.lastIndexOf(MARK);
    if (mark < 0) throw new Unexpected("it takes what is not there");
    const values = stack.splice(mark);
    return values.slice(1);
  };
  const popTuple = (length: number): Pickled[] => Array.from({ length }, pop).reverse();
  const remember = (index: number): void => {
    const value = pop();
    memo.set(index, value);
    stack.push(value);
  };
  const recall = (index: number): void => {
    const value = memo.get(index);
    if (value === undefined) throw new Unexpected("it takes what is not there");
    stack.push(value);
  };
  const last = <T extends Pickled>(isRight: (value: Pickled) => value is T): T => {
    const value = pop();
    stack.push(value);
    if (!isRight(value)) throw new Unexpected("it adds to what is neither list nor dict");
    return value;
  };
  const isMap = (value: Pickled): value is Map<Pickled, Pickled> => value instanceof Map;
  const isArray = (value: Pickled): value is Pickled[] => Array.isArray(value);
  const set = (members: readonly Pickled[]): void => {
    if (members.length % 2 !== 0) throw new Unexpected("it has a key without a value");
    const map = last(isMap);
    for (let index = 0; index < members.length; index += 2) map.set(members[index], members[index + 1]);
  };
  const named = (name: string): PickledName => {
    if (reader.call(name) === null && !reader.isType(name))
      throw new Unexpected(`it holds a ${name}, which is no plain array of numbers`);
    return new PickledName(name);
  };

  const instructions: Readonly<Record<string, () => void>> = {
    "(": () => stack.push(MARK),
    "}": () => push(new Map()),
    "]": () => push([]),
    ")": () => push([]),
    N: () => stack.push(null),
    "\x88": () => stack.push(true),
    "\x89": () => stack.push(false),
    J: () => stack.push(take(4).readInt32LE()),
    K: () => stack.push(byte()),
    M: () => stack.push(take(2).readUInt16LE()),
    G: () => stack.push(take(8).readDoubleBE()),
    "\x8a": () => stack.push(integerOf(take(byte()))),
    X: () => stack.push(take(take(4).readUInt32LE()).toString("utf8")),
    t: () => push(popToMark()),
    "\x85": () => push(popTuple(1)),
    "\x86": () => push(popTuple(2)),
    "\x87": () => push(popTuple(3)),
    q: () => remember(byte()),
    r: () => remember(take(4).readUInt32LE()),
    h: () => recall(byte()),
    j: () => recall(take(4).readUInt32LE()),
    a: () => {
      const member = pop();
      last(isArray).push(member);
    },
    e: () => {
      const members = popToMark();
      const list = last(isArray);
      for (const member of members) list.push(member);
    },
    s: () => {
      const value = pop();
      set([pop(), value]);
    },
    u: () => set(popToMark()),
    c: () => push(named(`${line()}.${line()}`)),
    Q: () => push(reader.outside(pop())),
    R: () => {
      const args = pop();
      const callee = pop();
      const call = callee instanceof PickledName ? reader.call(callee.name) : null;
      if (call === null || !isArray(args)) throw new Unexpected("it calls what is no function");
      push(call(args));
    },
    // What an object has beside its members: of a dict, the versions of its modules
    b: () => {
      pop();
      last(isMap);
    },
  };

  if (bytes[0] !== 0x80 || bytes[1] !== PROTOCOL) throw new Unexpected(`it is no pickle of protocol ${PROTOCOL}`);
  at = 2;
  for (;;) {
    const instruction = String.fromCharCode(byte());
    if (instruction === ".") break;
    if (!Object.hasOwn(instructions, instruction)) {
      throw new Unexpected(`it has the instruction ${JSON.stringify(instruction)}, which torch.save does not write`);
    }
    instructions[instruction]();
  }
  return pop();
}

/** A little-endian number with a sign, of any number of bytes. */
function integerOf(bytes: Buffer): number {
  if (bytes.length > 8) throw new Unexpected("it has an integer of more than 64 bits");
  return bytes.length === 0 ? 0 : Number(BigInt.asIntN(8 * bytes.length, BigInt(`0x${hexOf(bytes)}`)));
}

function hexOf(bytes: Buffer): string {
  return Buffer.from(bytes).reverse().toString("hex");
}
