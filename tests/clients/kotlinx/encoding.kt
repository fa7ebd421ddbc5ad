// Declarations of kotlinx.serialization, to compile the models against: Debian has the compiler, not the library.

package kotlinx.serialization.encoding

interface Decoder { fun decodeString(): String }
interface Encoder { fun encodeString(value: String) }
