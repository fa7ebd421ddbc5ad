// The JSON at a path of this site. Raises an Error that says what was asked for when it cannot be had.
export async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw Object.assign(new Error(`${path}: ${answer.status}`), { status: answer.status });
  return answer.json();
}
