// Has the browser keep what was read (/sw.js). Pages work the same without.

if ("serviceWorker" in navigator) {
  // Under Trusted Types an address of code must come from a policy; this one knows a single address.
  const policy = self.trustedTypes?.createPolicy("portal", { createScriptURL: () => "/sw.js" });
  const address = policy ? policy.createScriptURL("") : "/sw.js";
  const register = () => navigator.serviceWorker.register(address, { type: "module", updateViaCache: "none" }).catch(() => {});
  document.readyState === "complete" ? register() : addEventListener("load", register, { once: true });
}
