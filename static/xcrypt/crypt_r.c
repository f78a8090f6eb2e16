/* See crypt.h. */
#include "crypt-port.h"

#include "crypt.h"

char *crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
	strcpy(data->output, "*0");
	crypt_bcrypt_y_rn(phrase, strlen(phrase), setting, strlen(setting), (uint8_t *)data->output,
			  sizeof data->output, data->internal, sizeof data->internal);
	return data->output;
}
