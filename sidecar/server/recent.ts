/** What can be made again, kept for as long as there is room: what was last used goes last. */
export class Recent<V> {
  private readonly held = new Map<string, { readonly value: V; readonly bytes: number }>();
  private used = 0;

  /** @param bytes that are kept at most; the newest is kept in any case */
  constructor(private readonly bytes: number) {}

  get(key: string): V | undefined {
    const found = this.held.get(key);
    if (found === undefined) return undefined;
    this.held.delete(key);
    this.held.set(key, found);
    return found.value;
  }

  set(key: string, value: V, bytes: number): void {
    this.used += bytes - (this.held.get(key)?.bytes ?? 0);
    this.held.delete(key);
    this.held.set(key, { value, bytes });
    for (const [old, { bytes: freed }] of this.held) {
      if (this.used <= this.bytes || old === key) break;
      this.held.delete(old);
      this.used -= freed;
    }
  }
}
