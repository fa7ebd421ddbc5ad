// The JSON at a path of this site. Raises an Error that says what was asked for when it cannot be had.
// `isNew`: not as a cache has it, unless that is still so.
export async function get(path, { isNew = false } = {}) {
  const answer = await fetch(path, { cache: isNew ? "no-cache" : "default" });
  if (!answer.ok) throw Object.assign(new Error(`${path}: ${answer.status}`), { status: answer.status });
  return answer.json();
}
