/** Names made unique by numbers at their end, in order. */
export function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let unique = name;
    for (let number = 1; taken.has(unique) || (number > 1 && names.includes(unique)); number++)
      unique = `${name}_${number}`;
    taken.add(unique);
    return unique;
  });
}
