// Declarations of kotlinx.serialization, to compile the models against: Debian has the compiler, not the library.

package kotlinx.serialization

import kotlin.reflect.KClass
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder

annotation class Serializable
annotation class SerialName(val value: String)
@Target(AnnotationTarget.FILE)
annotation class UseSerializers(vararg val classes: KClass<*>)

interface KSerializer<T> {
    val descriptor: SerialDescriptor
    fun deserialize(decoder: Decoder): T
    fun serialize(encoder: Encoder, value: T)
}
