/** Numbers as they are, text quoted where it has to be (RFC 4180). */
export function csvFile(head: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const field = (value: string | number | null): string => {
    if (typeof value !== "string") return value === null ? "" : String(value);
    return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  };
  return [head, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
}
