// PocketBase sets synchronous=NORMAL: a power cut may take what it answered. This makes it wait for the disk.
onAfterBootstrap(() => {
    $app.dao().nonconcurrentDB().newQuery("PRAGMA synchronous = FULL").execute()
})
