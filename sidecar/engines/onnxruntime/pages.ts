/** The worker asks the system for memory in pages of this size (GLIBC_TUNABLES): written to anywhere, all of it is there. */
export const HUGE_PAGE = 2 ** 21;

/** What malloc asks for beyond what is needed. */
const PAD = 2 ** 17;

/**
 * What the system gives for an array. A large one has pages of its own, of which malloc writes to the last: so it is where
 * something is mapped right behind the heap, which then cannot grow in one piece. Chance decides that when a process starts.
 */
export function mappedBytes(bytes: number): number {
  return bytes < HUGE_PAGE ? bytes : Math.ceil((bytes + PAD) / HUGE_PAGE) * HUGE_PAGE;
}
