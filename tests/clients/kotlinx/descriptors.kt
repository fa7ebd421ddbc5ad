// Declarations of kotlinx.serialization, to compile the models against: Debian has the compiler, not the library.

package kotlinx.serialization.descriptors

interface SerialDescriptor
enum class PrimitiveKind { STRING }
fun PrimitiveSerialDescriptor(name: String, kind: PrimitiveKind): SerialDescriptor = object : SerialDescriptor {}
