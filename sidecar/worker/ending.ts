/**
 * User code must not end the process that evaluates it, now or later: a script that trains a model likes to call
 * `process.exit` when it is done. An error would not do instead, since it could be caught.
 */
export function forbidEnding(refuse: (call: string) => never): void {
  const forbidden = (name: string) => (): never => refuse(name);
  process.exit = forbidden("process.exit");
  process.abort = forbidden("process.abort");
  const kill = process.kill.bind(process);
  process.kill = (pid, signal) => {
    const isOurs = [process.pid, 0, -process.pid].includes(pid);
    // The signal 0 only asks whether the process is there.
    return isOurs && signal !== 0 ? refuse("process.kill") : kill(pid, signal);
  };
}
