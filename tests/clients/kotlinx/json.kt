// Declarations of kotlinx.serialization, to compile the models against: Debian has the compiler, not the library.

package kotlinx.serialization.json

class Json
