// The portal has no service worker yet. Should a browser still run one from this address, this one takes its place,
// forgets what it kept, and removes itself; pages then come from the network as usual.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.map((name) => caches.delete(name))))
      .then(() => self.registration.unregister()),
  );
});
