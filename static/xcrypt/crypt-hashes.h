/* Of libxcrypt's hashes, bcrypt. */
#define INCLUDE_bcrypt 1
#define INCLUDE_bcrypt_a 1
#define INCLUDE_bcrypt_x 0
#define INCLUDE_bcrypt_y 1
